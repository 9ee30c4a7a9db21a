// Part of txwebsocket. See LICENSE for details.
//
// An echo at / and a broadcast at /fanout, with ws on Node; NODE_PATH says where it is.
//
//     node ws_node.cjs PORT

const { WebSocketServer } = require("ws");

const server = new WebSocketServer({
  host: "127.0.0.1",
  port: Number(process.argv[2]),
  backlog: 4096,
  maxPayload: 2 ** 30,
  perMessageDeflate: { threshold: 0 },
});
const clients = new Set();

server.on("connection", (socket, request) => {
  const isFanout = request.url === "/fanout";
  if (isFanout) clients.add(socket);
  socket.on("error", () => {});
  socket.on("close", () => clients.delete(socket));
  socket.on("message", (data, isBinary) => {
    if (isFanout) for (const client of clients) client.send(data, { binary: isBinary });
    else socket.send(data, { binary: isBinary });
  });
});
