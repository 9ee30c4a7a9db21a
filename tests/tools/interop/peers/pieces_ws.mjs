// Part of txwebsocket. See LICENSE for details.
//
// Messages in pieces, by npm's ws, which receives whole ones only; see pieces.py.

import { createHash } from "node:crypto";

import { follow, load, options, report, startServer } from "./driver.mjs";

const { WebSocket, WebSocketServer } = load("ws");
const choices = { maxPayload: 2 ** 30, perMessageDeflate: options.compress };
const PIECE = 10_000;

/** Sends a message as fragments, which may end inside a character. */
function sendPieces(socket, octets, binary) {
  for (let at = 0; at < octets.length; at += PIECE) {
    socket.send(octets.subarray(at, at + PIECE), { binary, fin: false });
  }
  socket.send(Buffer.alloc(0), { binary, fin: true });
}

const digest = (octets) => createHash("sha256").update(octets).digest("hex");

function makeMessage() {
  const pieces = Array.from({ length: options.count }, (_, number) => number + "Größe 大きい 😀 ".repeat(number % 500));
  return Buffer.from(pieces.join(""));
}

if (options.role === "server") {
  new WebSocketServer({ server: startServer(), ...choices })
    .on("connection", (socket) => socket.on("message", (octets, isBinary) => sendPieces(socket, octets, isBinary)));
} else {
  const socket = new WebSocket(options.url, choices);
  const message = makeMessage();
  const kinds = [...options.kinds];
  const next = () => (kinds.length ? sendPieces(socket, message, kinds[0] === "binary") : socket.close());
  socket.on("open", next);
  socket.on("message", (octets, isBinary) => {
    const kind = isBinary ? "binary" : "text";
    const isSame = digest(octets) === digest(message) && kind === kinds.shift();
    report("echoed", { kind, size: octets.length, isSame, peak: 0 });
    next();
  });
}
follow(() => {});
