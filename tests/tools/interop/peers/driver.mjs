// Part of txwebsocket. See LICENSE for details.
//
// What the drivers on Node share. driver.py says what a driver is and how it talks.
//
// INTEROP_NODE_MODULES names the node_modules folder that holds the libraries.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

export const PROTOCOL = "chat.v1"; // the subprotocol that every server knows
export const options = JSON.parse(process.argv[2]);
export const load = createRequire(join(resolve(process.env.INTEROP_NODE_MODULES), "from-here.js"));
export const tls = options.authority ? { ca: readFileSync(options.authority) } : {};

let connection; // the one that was opened last

export function report(event, facts) {
  console.log(JSON.stringify({ event, ...facts }));
}

/** What both libraries' sockets have in common. A driver adds send(octets, isText, piece). */
export class Connection {
  constructor(socket) {
    this.socket = socket;
    socket.on("pong", (payload) => report("pong", { payload: payload.toString() }));
    socket.on("close", (code, reason) => report("closed", { code, reason: String(reason ?? "") }));
  }

  ping(payload) {
    this.socket.ping(payload);
  }

  close(code, reason) {
    this.socket.close(code, reason);
  }
}

export function opened(newest) {
  connection = newest;
  const { protocol, extensions } = newest.socket;
  // One of the libraries has a list there that is always empty.
  report("open", { protocol: protocol || null, isCompressed: String(extensions).includes("deflate") });
}

export function received(octets, isText) {
  report("message", {
    kind: isText ? "text" : "binary", size: octets.length,
    sha256: createHash("sha256").update(octets).digest("hex"),
  });
}

/** Does what a server does with a message. */
export function answer(from, octets, isText) {
  if (isText && octets.subarray(0, 5).equals(Buffer.from('{"do"'))) {
    perform(from, JSON.parse(octets));
  } else {
    received(octets, isText);
    from.send(octets, isText, null);
  }
}

/** The messages of this connection go to its driver's own role. */
export const take = options.role === "server" ? answer : (_, octets, isText) => received(octets, isText);

/** An HTTP server that is about to listen, and tells where unless it is not the only one. */
export function startServer(tells = true) {
  const { certificate, key } = options;
  const server = certificate
    ? createSecureServer({ cert: readFileSync(certificate), key: readFileSync(key) })
    : createServer();
  return server.listen(options.port ?? 0, "127.0.0.1", () => {
    const url = `${certificate ? "wss" : "ws"}://127.0.0.1:${server.address().port}/`;
    if (tells) report("listening", { url });
  });
}

function perform(who, { do: what, ...details }) {
  if (what === "say") who.send(Buffer.from(details.text), true, null);
  else if (what === "send") who.send(readFileSync(details.path), details.kind === "text", details.piece);
  else if (what === "ping") who.ping(details.payload);
  else if (what === "close") who.close(details.code, details.reason);
  else throw new Error(`no command is called ${what}`);
}

/** Does what standard input says until it ends; connect opens a client's connection. */
export function follow(connect) {
  createInterface({ input: process.stdin })
    .on("line", (line) => {
      const command = JSON.parse(line);
      if (command.do === "connect") connect(command);
      else perform(connection, command);
    })
    .on("close", () => process.exit(0));
}
