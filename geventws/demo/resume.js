// A WebSocket that comes back and brings what was published while it was gone, by resume.geventws.v1
// (docs/reference/resumption.md). Events: "open", also when it is back; "message" with data, a string or
// an ArrayBuffer, and room, null for what was sent to us alone; "unrecovered" with the room where
// something is missed for good; "away" with the ms until the next attempt as delay; "close" at the end.

const MARK = '\x1e{"room":'; // what a head begins with
const [MAX_HEAD, MAX_SAID, MAX_ROOMS] = [4096, 4590, 1000]; // characters; bytes before base64; positions
const FINAL = new Set([1000, 1002, 1003, 1007, 1008, 1009, 1010]); // meant so, or would come again
const BUSY = new Set([1012, 1013]), SLOW = "too slow for what is broadcast"; // asked for 5 to 30 s; at once
const oneByOne = new TextDecoder("latin1"); // a character for each byte, and heads are ASCII

function placeOf({ room, offset, epoch }) {
  const isNone = offset === undefined && epoch === undefined;
  const isOne = Number.isSafeInteger(offset) && offset >= 0 && /^"[\w-]{1,32}"$/.test(JSON.stringify(epoch));
  if (!(isNone || isOne) || (room !== null && typeof room !== "string")) throw new TypeError("no head");
  return isNone ? undefined : [offset, epoch];
}

export class ResumingSocket extends EventTarget {
  #closed = false; #failures = 0; #timer; // failures are connections in a row that did not last

  // longest: s between two attempts; stable: s that prove a connection good; positions: where to go on
  constructor(url, { protocols = [], longest = 60, stable = 30, positions = [] } = {}) {
    super();
    Object.assign(this, { url, protocols, longest, stable });
    this.positions = new Map(positions); // room -> [offset, epoch]; the one heard of last is last
    this.#open();
  }

  send(data) { this.socket.send(data); } // as a WebSocket: lost where none is open
  #tell(type, fields) { this.dispatchEvent(Object.assign(new Event(type), fields)); }

  close(code = 1000, reason = "") {
    this.#closed = true;
    clearTimeout(this.#timer);
    if (this.socket.readyState === WebSocket.CLOSED) this.#tell("close", { code, reason });
    else this.socket.close(code, reason);
  }

  #open() {
    const socket = new WebSocket(this.url, ["resume.geventws.v1", ...this.#token(), ...this.protocols]);
    const patience = setTimeout(() => socket.close(), 10_000); // ms
    let since = Infinity;
    this.socket = Object.assign(socket, { binaryType: "arraybuffer" });
    socket.onopen = () => { clearTimeout(patience); since = Date.now(); this.#tell("open"); };
    socket.onmessage = ({ data }) => this.#take(data);
    socket.onclose = ({ code, reason }) => {
      clearTimeout(patience);
      if (this.#closed || (FINAL.has(code) && reason !== SLOW)) return this.#tell("close", { code, reason });
      if (Date.now() - since >= 1000 * this.stable) this.#failures = 0;
      const range = BUSY.has(code) ? [5, 30] : [0, 2 ** Math.min(this.#failures++, 20)];
      const [low, high] = range.map((seconds) => 1000 * Math.min(seconds, this.longest));
      const delay = low + (high - low) * Math.random(); // so that not all come back at once
      this.#timer = setTimeout(() => this.#open(), delay);
      this.#tell("away", { delay });
    };
  }

  #token() { // says where we stand; where that is too long, without the rooms of longest ago
    const known = [...this.positions].reverse();
    const write = () => new TextEncoder().encode(JSON.stringify(Object.fromEntries(known)));
    let said = write();
    while (said.length > MAX_SAID && known.pop()) said = write();
    const base64 = btoa(String.fromCharCode(...said)).replaceAll("+", "-").replaceAll("/", "_");
    return known.length ? [`position.${base64.replaceAll("=", "")}`] : [];
  }

  #take(data) {
    const front = typeof data === "string" ? data : oneByOne.decode(data.slice(0, MAX_HEAD + 1));
    if (!front.startsWith(MARK)) return this.#tell("message", { data, room: null });
    const end = front.indexOf("\n");
    try {
      const head = JSON.parse(front.slice(1, end < 0 ? undefined : end)), position = placeOf(head);
      if (end < 0) this.#note(head, position);
      else if (!position || this.#isNext(head.room, position))
        this.#tell("message", { data: data.slice(end + 1), room: head.room });
    } catch { this.close(4002, "a head that is none"); }
  }

  #note({ room, recovered, skipped, left }, position) {
    const known = this.positions.get(room);
    if (recovered !== undefined) this.#stand(room, (recovered && known) || position, known && !recovered);
    else if (skipped) this.#isNext(room, position);
    else if (left) this.positions.delete(room);
  }

  #isNext(room, [offset, epoch]) { // and not a duplicate; what is between is missed
    const [last, same] = this.positions.get(room) ?? [offset - 1, epoch];
    const isNew = epoch !== same || offset > last;
    if (isNew) this.#stand(room, [offset, epoch], epoch !== same || offset > last + 1);
    return isNew;
  }

  #stand(room, position, isMissed) {
    this.positions.delete(room);
    if (position) this.positions.set(room, position);
    if (this.positions.size > MAX_ROOMS) this.positions.delete(this.positions.keys().next().value);
    if (isMissed) this.#tell("unrecovered", { room });
  }
}
