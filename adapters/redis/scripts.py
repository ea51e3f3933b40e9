"""What happens in Redis at once or not at all: scripts in Lua, sent by their digest.

The first two keys of a room share a hash tag, so that a cluster keeps them together. Who is in many
rooms is together with who says so:

    meta     hash: e the epoch, s the offset of the last publication, n<node> what a node did last
    stream   what is remembered; the ids are the offsets
    members  hash: who has named a member, 8 bytes, and what is known of it
    beats    and those 8 bytes: there as long as that broker lives
"""

from __future__ import annotations

from hashlib import sha1
from typing import Final, NamedTuple


class Script(NamedTuple):
    """A script in Lua."""

    text: str
    digest: str


def _script(*parts: str) -> Script:
    text = "\n".join(parts)
    return Script(text, sha1(text.encode(), usedforsecurity=False).hexdigest())


# Returns where the room stands, and whether it begins anew. It does where nobody remembers that,
# where what is there is not ours, and where Redis has come back older: the node that asks was told
# of more, or that this epoch is over.
_STAND: Final = """
local function stand(known, offset, over, fresh, ttl)
  local meta = redis.call('HMGET', KEYS[1], 'e', 's')
  local epoch, at = meta[1] or '', tonumber(meta[2])
  local is_ours = at and #epoch == 8 and not string.find(epoch, '[^%w_-]')
  if is_ours and not string.find(over, epoch, 1, true) then
    if epoch ~= known or at >= offset then return epoch, at, false end
  end
  redis.call('DEL', KEYS[1], KEYS[2])
  redis.call('HSET', KEYS[1], 'e', fresh, 's', 0)
  redis.call('PEXPIRE', KEYS[1], ttl)
  return fresh, 0, true
end
"""

# A retry is told from a first attempt, since only then the stream is searched. In another epoch it
# comes to nothing: what the first attempt did is forgotten, but others may have heard it. A node's
# last number is forgotten after ten minutes, when there are many nodes: no retry comes that late.
_PUBLISH: Final = """
local body, size, ttl, keep = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local known = ARGV[5]
local epoch, at, is_new = stand(known, tonumber(ARGV[6]), ARGV[7], ARGV[8], keep)
local node, number = 'n' .. ARGV[9], tonumber(ARGV[10])
local last = redis.call('HGET', KEYS[1], node)
last = last and tonumber(string.match(last, '^%d+'))
local forgot = is_new or known ~= '' and known ~= epoch
if ARGV[12] == '1' and (forgot or last and last >= number) then
  local entries = redis.call('XREVRANGE', KEYS[2], '+', '-')
  for _, entry in ipairs(entries) do
    if string.sub(entry[2][2], 3, 18) == string.sub(body, 3, 18) then
      return {epoch, tonumber(string.match(entry[1], '^%d+'))}
    end
  end
  if forgot or #entries >= size then return {epoch, 0} end
end
local now = redis.call('TIME')[1]
if not last and redis.call('HLEN', KEYS[1]) > 128 then
  local fields = redis.call('HGETALL', KEYS[1])
  for i = 1, #fields, 2 do
    local when = string.match(fields[i + 1], ':(%d+)$')
    if when and now - when > 600 then redis.call('HDEL', KEYS[1], fields[i]) end
  end
end
at = at + 1
local id = string.format('%.0f', at)
redis.call('XADD', KEYS[2], 'MAXLEN', size, id .. '-0', 'd', body)
redis.call('HSET', KEYS[1], 's', id)
if not last or last < number then
  redis.call('HSET', KEYS[1], node, ARGV[10] .. ':' .. now)
end
redis.call('PEXPIRE', KEYS[1], keep)
redis.call('PEXPIRE', KEYS[2], ttl)
redis.call(ARGV[11], KEYS[3], body .. epoch .. struct.pack('>I8', at))
return {epoch, at}
"""

# A position that a client says is looked for, and that is all: only what the node itself has been
# told of may have a room begin anew. Some MiB at once are read in time, and a hundred may not be.
_HISTORY: Final = """
local since, offset, count = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local epoch, at = stand(ARGV[4], tonumber(ARGV[5]), ARGV[6], ARGV[7], ARGV[8])
local from, entries, bytes = '-', {}, 0
if epoch == since and offset >= 0 and offset <= at then
  from = string.format('%.0f', offset + 1)
end
while #entries < count and bytes < 1048576 do
  local most = math.min(#entries + 1, count - #entries)
  local found = redis.call('XRANGE', KEYS[2], from, '+', 'COUNT', most)
  for _, entry in ipairs(found) do
    table.insert(entries, entry)
    bytes = bytes + #entry[2][2]
  end
  if #found < most then break end
  from = '(' .. found[most][1]
end
return {epoch, at, entries}
"""

_ATTEND: Final = """
local entering = tonumber(ARGV[2])
if entering > 0 then redis.call('HSET', KEYS[1], unpack(ARGV, 3, 2 + 2 * entering)) end
for i = 3 + 2 * entering, #ARGV - 1 do redis.call('HDEL', KEYS[1], ARGV[i]) end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
"""

# Who was named by a broker that lives no more is taken away. That is done here, where nothing comes
# between: a broker that was only late says first that it lives, and then names everybody again.
_PRESENCE: Final = """
local found, lives, here = redis.call('HGETALL', KEYS[1]), {}, {}
for i = 1, #found, 2 do
  local id, node = found[i], string.sub(found[i + 1], 1, 8)
  if lives[node] == nil then lives[node] = redis.call('EXISTS', KEYS[2] .. node) == 1 end
  if lives[node] then
    table.insert(here, id)
    table.insert(here, string.sub(found[i + 1], 9))
  else
    redis.call('HDEL', KEYS[1], id)
  end
end
return here
"""

PUBLISH: Final = _script(_STAND, _PUBLISH)
HISTORY: Final = _script(_STAND, _HISTORY)
ATTEND: Final = _script(_ATTEND)
PRESENCE: Final = _script(_PRESENCE)
