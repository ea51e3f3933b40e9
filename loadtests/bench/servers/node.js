// usage: node node.js PORT [broadcast]; Node's ws, with permessage-deflate where it is offered
"use strict";

const { WebSocket, WebSocketServer } = require("ws");

const [port, role] = process.argv.slice(2);
const server = new WebSocketServer({
  host: "127.0.0.1",
  port: Number(port),
  backlog: 4096,
  maxPayload: 128 * 1024 * 1024,
  perMessageDeflate: { threshold: 0 },
});

function echo(socket) {
  socket.on("message", (data, binary) => socket.send(data, { binary }));
}

function share(socket) {
  socket.on("message", (data, binary) => {
    for (const each of server.clients) {
      if (each.readyState === WebSocket.OPEN) each.send(data, { binary });
    }
  });
}

server.on("connection", role === "broadcast" ? share : echo);
server.on("listening", () => console.log("listening"));
