// Part of txwebsocket. See LICENSE for details.
//
// The driver of npm's websocket, WebSocket-Node.

import { Connection, PROTOCOL, follow, load, opened, options, report, startServer, take, tls } from "./driver.mjs";

const { client: WebSocketClient, server: WebSocketServer } = load("websocket");
const limits = { maxReceivedFrameSize: options.limit, maxReceivedMessageSize: options.limit };

class NodeConnection extends Connection {
  constructor(socket) {
    super(socket);
    socket.on("message", ({ type, utf8Data, binaryData }) =>
      take(this, type === "utf8" ? Buffer.from(utf8Data) : binaryData, type === "utf8"));
  }

  send(octets, isText, piece) {
    Object.assign(this.socket.config, { fragmentOutgoingMessages: piece !== null, fragmentationThreshold: piece });
    if (isText) this.socket.sendUTF(octets.toString());
    else this.socket.sendBytes(octets);
  }
}

if (options.role === "server") {
  new WebSocketServer({ httpServer: startServer(), ...limits }).on("request", (request) => {
    const isKnown = request.requestedProtocols.includes(PROTOCOL);
    opened(new NodeConnection(request.accept(isKnown ? PROTOCOL : null, request.origin)));
  });
}
follow(({ url, protocols }) => new WebSocketClient({ ...limits, tlsOptions: tls })
  .on("connect", (socket) => opened(new NodeConnection(socket)))
  .on("connectFailed", (error) => report("refused", { why: String(error.message ?? error) }))
  .connect(url, protocols));
