// Part of txwebsocket. See LICENSE for details.
//
// An echo at / and a broadcast at /fanout, with the model, npm's websocket; NODE_PATH
// says where it is.
//
//     node websocket_node.cjs PORT

const http = require("http");
const WebSocket = require("websocket");

const httpServer = http.createServer();
httpServer.listen({ port: Number(process.argv[2]), host: "127.0.0.1", backlog: 4096 });
const server = new WebSocket.server({
  httpServer,
  maxReceivedFrameSize: 2 ** 30,
  maxReceivedMessageSize: 2 ** 30,
  fragmentOutgoingMessages: false,
});
const clients = new Set();

server.on("request", (request) => {
  const connection = request.accept(null, request.origin);
  const isFanout = request.resource === "/fanout";
  if (isFanout) clients.add(connection);
  connection.on("close", () => clients.delete(connection));
  connection.on("message", (message) => {
    if (isFanout) for (const client of clients) client.sendUTF(message.utf8Data);
    else if (message.type === "utf8") connection.sendUTF(message.utf8Data);
    else connection.sendBytes(message.binaryData);
  });
});
