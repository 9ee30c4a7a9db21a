// Part of txwebsocket. See LICENSE for details.
//
// Node's own HTTP server as one that leads clients on: with redirects and cookies, to an
// echo by npm's ws.
//
// /start sets a cookie and leads to /known, which takes only those who bring it, and their
// password, and leads to another port. There is the echo, for those who bring the cookie
// again, since cookies are for all ports of a host, and no password. /circle leads to
// itself, and /plain to where there is no TLS.

import { Connection, follow, load, opened, options, startServer, take } from "./driver.mjs";

const { WebSocketServer } = load("ws");
const echo = new WebSocketServer({ noServer: true });

class Echo extends Connection {
  constructor(socket) {
    super(socket);
    socket.on("message", (octets, isBinary) => take(this, octets, !isBinary));
  }

  send(octets, isText) {
    this.socket.send(octets, { binary: !isText });
  }
}

function answer(socket, status, ...lines) {
  socket.on("error", () => {}); // a client that goes on cuts the connection
  socket.end([`HTTP/1.1 ${status}`, ...lines, "Connection: close", "Content-Length: 4", "", "page"].join("\r\n"));
}

const hasCookie = ({ headers }) => headers.cookie === "sid=1";
const scheme = options.certificate ? "https" : "http";

const other = startServer(false).on("upgrade", (request, socket, head) => {
  if (!hasCookie(request) || request.headers.authorization) return answer(socket, "403 Forbidden");
  echo.handleUpgrade(request, socket, head, (accepted) => opened(new Echo(accepted)));
});

const ways = {
  "/start": (_, socket) => answer(socket, "302 Found", "Set-Cookie: sid=1; HttpOnly", "Location: known?from=start"),
  "/known?from=start": (request, socket) => {
    if (!hasCookie(request)) return answer(socket, "401 Unauthorized");
    if (!request.headers.authorization) return answer(socket, "401 Unauthorized", "WWW-Authenticate: Basic");
    answer(socket, "307 Temporary Redirect", `Location: ${scheme}://127.0.0.1:${other.address().port}/echo`);
  },
  "/circle": (_, socket) => answer(socket, "301 Moved Permanently", "Location: /circle"),
  "/plain": (_, socket) => answer(socket, "308 Permanent Redirect", "Location: http://127.0.0.1/"),
};

startServer().on("upgrade", (request, socket) => {
  (ways[request.url] ?? ((_, client) => answer(client, "404 Not Found")))(request, socket);
});
follow(() => {});
