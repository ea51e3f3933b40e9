// A WebSocket of the page that comes back by itself.

const OPENING = 10_000; // ms a connection may take to open
const LONGEST = 30; // s between two attempts, at most

export class Connection {
  constructor(path, { opened, received, closed, changed }) {
    const address = location.origin.replace(/^http/, "ws") + path;
    Object.assign(this, { address, opened, received, closed, changed, attempts: 0, timer: 0 });
  }

  get isOpen() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  open() {
    clearTimeout(this.timer);
    this.due = undefined;
    this.changed("wait", "Connecting");
    const socket = (this.socket = new WebSocket(this.address));
    const patience = setTimeout(() => socket.close(), OPENING);
    socket.onopen = () => { clearTimeout(patience); this.opened(); };
    socket.onmessage = ({ data }) => this.received(data);
    socket.onclose = ({ reason }) => {
      clearTimeout(patience);
      this.closed(reason);
      this.retry();
    };
  }

  // Full jitter: after a restart everybody comes back at another moment.
  retry() {
    const most = Math.min(LONGEST, 2 ** this.attempts++);
    this.due = Date.now() + 1000 * most * Math.random();
    this.wait();
  }

  wait() {
    const left = this.due - Date.now();
    if (left <= 0) return this.open();
    this.changed("off", "Reconnecting", ` in ${Math.ceil(left / 1000)} s`);
    this.timer = setTimeout(() => this.wait(), Math.min(left, 250));
  }

  hurry() {
    if (this.due !== undefined) this.open();
  }

  // Only a welcome proves the server well: opening alone would end the backoff too early.
  settled() {
    this.attempts = 0;
    this.changed("on", "Connected", "", this.socket.extensions.split(";")[0] || "not compressed");
  }

  send(message) {
    this.socket.send(JSON.stringify(message));
  }
}
