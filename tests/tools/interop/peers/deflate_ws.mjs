// Part of txwebsocket. See LICENSE for details.
//
// The driver of npm's ws for the section "deflate".

import { PIECE, load, messages, options, report } from "./deflating.mjs";

const { WebSocket, WebSocketServer } = load("ws");

function choices({ serverFresh, clientFresh, serverBits, clientBits }) {
  const chosen = { threshold: 0 };
  if (serverFresh) chosen.serverNoContextTakeover = true;
  if (clientFresh) chosen.clientNoContextTakeover = true;
  if (serverBits) chosen.serverMaxWindowBits = serverBits;
  if (clientBits) chosen.clientMaxWindowBits = clientBits;
  return chosen;
}

function serve() {
  for (const { deflate } of options.cases) {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: choices(deflate) });
    server.on("connection", (socket) => {
      socket.on("message", (octets, isBinary) => socket.send(octets, { binary: isBinary }));
      socket.on("error", () => {});
    });
    server.on("listening", () => report("listening", { url: `ws://127.0.0.1:${server.address().port}/` }));
  }
}

function send(socket, { octets, isText }, isFragmented) {
  const step = isFragmented ? PIECE : octets.length;
  let at = 0;
  for (; at + step < octets.length; at += step) {
    socket.send(octets.subarray(at, at + step), { binary: !isText, fin: false });
  }
  socket.send(octets.subarray(at), { binary: !isText });
}

function talk({ url, deflate }) {
  return new Promise((done) => {
    const left = [false, true].flatMap((isFragmented) => messages().map((message) => ({ message, isFragmented })));
    const socket = new WebSocket(url, { perMessageDeflate: choices(deflate) });
    let extensions = "";
    let wrong = "";
    const next = () => {
      if (left.length === 0) socket.close(1000);
      else send(socket, left[0].message, left[0].isFragmented);
    };
    socket.on("upgrade", ({ headers }) => { extensions = headers["sec-websocket-extensions"] ?? ""; });
    socket.on("open", next);
    socket.on("message", (octets, isBinary) => {
      const { octets: sent, isText } = left.shift().message;
      if (isBinary === isText || !octets.equals(sent)) {
        wrong = `${sent.length} bytes came back as ${octets.length} others`;
        socket.close(1000);
      } else next();
    });
    socket.on("error", (error) => { wrong ||= error.message; });
    socket.on("close", (code) => {
      if (left.length > 0) wrong ||= `closed with ${code}`;
      done({ extensions, wrong });
    });
  });
}

if (options.role === "server") serve();
else for (const one of options.cases) report("case", await talk(one));
