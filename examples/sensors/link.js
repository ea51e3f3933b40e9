// A WebSocket that comes back by itself.

const OPENING = 10_000; // ms a connection may take to open
const LONGEST = 10_000; // ms between two attempts, at most

export class Link {
  constructor({ changed, received }) {
    Object.assign(this, { changed, received, attempts: 0 });
  }

  open(path) {
    this.path = path;
    clearTimeout(this.timer);
    const socket = (this.socket = new WebSocket(location.origin.replace(/^http/, "ws") + path));
    const patience = setTimeout(() => socket.close(), OPENING);
    this.changed("wait", this.attempts ? "Reconnecting" : "Connecting");
    socket.onmessage = ({ data }) => {
      this.attempts = 0; // opening alone proves nothing: what is in front may have no server
      this.received(data);
    };
    socket.onopen = () => clearTimeout(patience);
    socket.onclose = () => {
      clearTimeout(patience);
      this.retry();
    };
  }

  // Full jitter: after a restart everybody comes back at another moment.
  retry() {
    const most = Math.min(LONGEST, 500 * 2 ** this.attempts++);
    this.changed("wait", "Reconnecting");
    this.timer = setTimeout(() => this.open(this.path), most * Math.random());
  }

  // What the network does not take at once is not worth sending later.
  send(data) {
    const { readyState, bufferedAmount } = this.socket;
    if (readyState === WebSocket.OPEN && bufferedAmount < 4096) this.socket.send(data);
  }

  close() {
    clearTimeout(this.timer);
    this.socket.onclose = this.socket.onmessage = null;
    this.socket.close(1000);
    this.attempts = 0;
  }
}
