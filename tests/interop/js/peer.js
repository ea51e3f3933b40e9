// Makes the visits of a plan, in a browser and in Node alike, and tells how each one went.
"use strict";

const MIB = 1024 * 1024;
const PATIENCE = 20000; // milliseconds

const TEXT = "Gr\u00fc\u00dfe, \u20ac und \u{1f600}";
const BYTES = Uint8Array.from({ length: 256 }, (_, index) => index);
const CASES = {
  text: [TEXT],
  binary: [BYTES],
  fragmented: [TEXT, BYTES],
  empty: ["", new Uint8Array(0)],
  "1 MiB": ["\u00fc\u20ac".repeat(Math.floor(MIB / 5)), noise(MIB)],
};

function noise(length) {
  let state = 6455;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}

// the next message; an error where the connection ends, or nothing comes
function heard(socket) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("nothing came in time")), PATIENCE);
    const settle = (how, value) => {
      clearTimeout(timer);
      how(value);
    };
    socket.onmessage = (event) => settle(resolve, event.data);
    socket.onerror = (event) => settle(reject, new Error(event.message || "connection failed"));
    socket.onclose = (event) => settle(reject, new Error(`closed: ${event.code} ${event.reason}`));
  });
}

function opened(socket) {
  return new Promise((resolve, reject) => {
    socket.onopen = resolve;
    heard(socket).catch(reject);
  });
}

function same(sent, received) {
  if (typeof sent === "string") return sent === received;
  const bytes = new Uint8Array(received);
  return bytes.length === sent.length && bytes.every((byte, index) => byte === sent[index]);
}

function send(socket, message, fragmented) {
  if (fragmented && socket.sendFragments) {
    const middle = message.length >> 1;
    socket.sendFragments([message.slice(0, middle), message.slice(0, 0), message.slice(middle)]);
  } else {
    socket.send(message);
  }
}

async function visit(socket, name) {
  socket.binaryType = "arraybuffer";
  await opened(socket);
  for (const message of [...CASES[name], ...CASES[name]]) { // again: now there is a context
    const answer = heard(socket);
    send(socket, message, name === "fragmented");
    if (!same(message, await answer)) throw new Error("another message came back");
  }
  socket.close(1000);
}

// The desk says what to visit, and is told of each visit its error, or nothing.
async function visitAll(desk, connect) {
  for (const { uri, case: name, options } of JSON.parse(await heard(desk))) {
    let error = "";
    try {
      await visit(connect(uri, options), name);
    } catch (failure) {
      error = String(failure.message || failure);
    }
    desk.send(error);
  }
  desk.close(1000);
}

if (typeof module !== "undefined") module.exports = { visitAll };
