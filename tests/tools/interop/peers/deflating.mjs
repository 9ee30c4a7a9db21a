// Part of txwebsocket. See LICENSE for details.
//
// What the drivers of the section "deflate" on Node share. deflating.py says what a driver is.
//
// INTEROP_NODE_MODULES names the node_modules folder that holds the libraries.

import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { extname, join, resolve } from "node:path";

export const PIECE = 1000; // bytes in each fragment
export const options = JSON.parse(process.argv[2]);
export const load = createRequire(join(resolve(process.env.INTEROP_NODE_MODULES), "from-here.js"));

export function report(event, facts) {
  console.log(JSON.stringify({ event, ...facts }));
}

/** What is to be sent, in this order. */
export function messages() {
  return readdirSync(options.folder).sort().map((name) => ({
    isText: extname(name) !== ".bytes",
    octets: readFileSync(join(options.folder, name)),
  }));
}
