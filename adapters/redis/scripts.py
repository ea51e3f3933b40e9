"""What happens in Redis at once or not at all: scripts in Lua, sent by their digest.

The keys of a room share a hash tag, so that a cluster keeps them together:

    meta     hash: e the epoch, s the offset of the last publication, n<node> what a node did last
    stream   what is remembered; the ids are the offsets
    members  sorted set: until when a member is here, by the clock of Redis
    infos    hash: what is known of a member
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


_BEGIN: Final = """
local function begin(epoch, ttl)
  redis.call('DEL', KEYS[1], KEYS[2])
  redis.call('HSET', KEYS[1], 'e', epoch, 's', 0)
  redis.call('PEXPIRE', KEYS[1], ttl)
end
"""

# A retry is told from a first attempt, since only then the stream is searched. A node's last number
# is forgotten after ten minutes, when there are many nodes: no retry comes that late.
_PUBLISH: Final = """
local body, size, ttl, keep = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local fresh, node, number = ARGV[5], 'n' .. ARGV[6], tonumber(ARGV[7])
local known, offset = ARGV[8], tonumber(ARGV[9])
local meta = redis.call('HMGET', KEYS[1], 'e', 's', node)
local epoch = meta[1]
if not epoch or (epoch == known and tonumber(meta[2]) < offset) then
  begin(fresh, keep)
  epoch, meta[3] = fresh, false
end
local last = meta[3] and tonumber(string.match(meta[3], '^%d+'))
if last and last >= number and ARGV[11] == '1' then
  local entries = redis.call('XREVRANGE', KEYS[2], '+', '-')
  for _, entry in ipairs(entries) do
    if string.sub(entry[2][2], 3, 18) == string.sub(body, 3, 18) then
      return {epoch, tonumber(string.match(entry[1], '^%d+'))}
    end
  end
  if #entries >= size then return {epoch, 0} end
end
local now = redis.call('TIME')[1]
if not last and redis.call('HLEN', KEYS[1]) > 128 then
  local fields = redis.call('HGETALL', KEYS[1])
  for i = 1, #fields, 2 do
    local at = string.match(fields[i + 1], ':(%d+)$')
    if at and now - at > 600 then redis.call('HDEL', KEYS[1], fields[i]) end
  end
end
local at = redis.call('HINCRBY', KEYS[1], 's', 1)
if not last or last < number then
  redis.call('HSET', KEYS[1], node, ARGV[7] .. ':' .. now)
end
local id = string.format('%.0f-0', at)
redis.call('XADD', KEYS[2], 'MAXLEN', size, id, 'd', body)
redis.call('PEXPIRE', KEYS[1], keep)
redis.call('PEXPIRE', KEYS[2], ttl)
redis.call(ARGV[10], KEYS[3], body .. epoch .. struct.pack('>I8', at))
return {epoch, at}
"""

_HISTORY: Final = """
local known, offset, count, ttl = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local meta = redis.call('HMGET', KEYS[1], 'e', 's')
local epoch, at = meta[1], tonumber(meta[2])
if not epoch or (epoch == known and at < offset) then
  begin(ARGV[5], ttl)
  epoch, at = ARGV[5], 0
end
local from = '-'
if epoch == known and offset >= 0 then from = string.format('%.0f', offset + 1) end
local entries = {}
if count > 0 then entries = redis.call('XRANGE', KEYS[2], from, '+', 'COUNT', count) end
return {epoch, at, entries}
"""

# How long the keys live follows from the last member's time, for nodes may have other settings. Who
# is in a room keeps its epoch alive: where nothing is said for long, nobody has missed anything.
_ATTEND: Final = """
local ttl, entering, keep = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local i = 4
for _ = 1, entering do
  redis.call('ZADD', KEYS[1], now + ttl, ARGV[i])
  redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
  i = i + 2
end
for j = i, #ARGV - 1 do
  redis.call('ZREM', KEYS[1], ARGV[j])
  redis.call('HDEL', KEYS[2], ARGV[j])
end
local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if last[2] then
  redis.call('PEXPIREAT', KEYS[1], last[2])
  redis.call('PEXPIREAT', KEYS[2], last[2])
end
if entering > 0 then redis.call('PEXPIRE', KEYS[3], keep) end
"""

_PRESENCE: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local gone = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)
for _, id in ipairs(gone) do
  redis.call('ZREM', KEYS[1], id)
  redis.call('HDEL', KEYS[2], id)
end
return redis.call('HGETALL', KEYS[2])
"""

PUBLISH: Final = _script(_BEGIN, _PUBLISH)
HISTORY: Final = _script(_BEGIN, _HISTORY)
ATTEND: Final = _script(_ATTEND)
PRESENCE: Final = _script(_PRESENCE)
