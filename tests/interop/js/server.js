// usage: node server.js OPTIONS-AS-JSON; prints its port, and ends when its input does
"use strict";

const { WebSocketServer } = require("ws");

function echo(socket, request) {
  socket.on("message", (data, binary) => {
    if (request.url === "/cut") {
      const middle = data.length >> 1; // ws sends text from bytes too, cut in a character or not
      socket.send(data.subarray(0, middle), { binary, fin: false });
      socket.send("", { binary, fin: false });
      socket.send(data.subarray(middle), { binary, fin: true });
    } else {
      socket.send(data, { binary });
    }
  });
}

const server = new WebSocketServer({
  host: "127.0.0.1",
  port: 0,
  ...JSON.parse(process.argv[2]),
});
server.on("connection", echo);
server.on("listening", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit()).resume();
