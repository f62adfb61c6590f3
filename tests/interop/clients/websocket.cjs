// Says each frame of Mailpit's WebSocket on a line, by npm's ws: `node websocket.cjs URL [ORIGIN]`.
"use strict";

const { WebSocket } = require("ws");

const [url, origin] = process.argv.slice(2);
const socket = new WebSocket(url, { origin });
socket.on("message", (data) => process.stdout.write(`${data}\n`));
socket.on("unexpected-response", (_request, response) => {
  process.stdout.write(`${response.statusCode}\n`);
  process.exit(1);
});
process.stdin.on("end", () => socket.close()).resume();
