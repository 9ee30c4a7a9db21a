// Part of txwebsocket. See LICENSE for details.
//
// The same bridge as tunnel_websockets.py, made of npm's ws.

import { createConnection, createServer } from "node:net";

import { follow, load, options, report, startServer, tls } from "./driver.mjs";

const { WebSocket, WebSocketServer, createWebSocketStream } = load("ws");

function bridge(webSocket, socket) {
  const stream = createWebSocketStream(webSocket);
  const end = () => [stream, socket].forEach((each) => each.destroy());
  [stream, socket].forEach((each) => each.on("error", end));
  stream.pipe(socket).pipe(stream);
}

if (options.role === "server") {
  new WebSocketServer({ server: startServer(), handleProtocols: () => options.protocol })
    .on("connection", (webSocket) => bridge(webSocket, createConnection(options.target, "127.0.0.1")));
} else {
  const server = createServer({ allowHalfOpen: true }, (socket) =>
    bridge(new WebSocket(options.url, options.protocol, tls), socket));
  server.listen(0, "127.0.0.1", () => report("serving", { port: server.address().port }));
}
follow(() => {});
