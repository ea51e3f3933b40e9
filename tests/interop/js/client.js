// usage: node client.js ADDRESS-OF-THE-DESK
"use strict";

const { WebSocket } = require("ws");
const { visitAll } = require("./peer.js");

function connect(uri, options) {
  const socket = new WebSocket(uri, options);
  socket.sendFragments = (fragments) => {
    const binary = typeof fragments[0] !== "string";
    fragments.forEach((fragment, index) => {
      socket.send(fragment, { binary, fin: index === fragments.length - 1 });
    });
  };
  return socket;
}

visitAll(new WebSocket(process.argv[2]), connect);
