// Part of txwebsocket. See LICENSE for details.
//
// The driver of npm's ws.

import { Connection, PROTOCOL, follow, load, opened, options, report, startServer, take, tls } from "./driver.mjs";

const { WebSocket, WebSocketServer } = load("ws");
const choices = { maxPayload: options.limit, perMessageDeflate: true };

class WsConnection extends Connection {
  constructor(socket) {
    super(socket);
    socket.on("message", (octets, isBinary) => take(this, octets, !isBinary));
    socket.on("error", (error) => report("refused", { why: error.message }));
  }

  send(octets, isText, piece) {
    const step = piece ?? octets.length;
    let at = 0;
    for (; at + step < octets.length; at += step) {
      this.socket.send(octets.subarray(at, at + step), { binary: !isText, fin: false });
    }
    this.socket.send(octets.subarray(at), { binary: !isText });
  }
}

if (options.role === "server") {
  const handleProtocols = (offered) => offered.has(PROTOCOL) && PROTOCOL;
  new WebSocketServer({ server: startServer(), handleProtocols, ...choices })
    .on("connection", (socket) => opened(new WsConnection(socket)));
}
follow(({ url, protocols }) => {
  const connection = new WsConnection(new WebSocket(url, protocols, { ...choices, ...tls }));
  connection.socket.on("open", () => opened(connection));
});
