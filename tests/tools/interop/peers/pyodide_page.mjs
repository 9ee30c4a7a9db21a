// Part of txwebsocket. See LICENSE for details.
//
// Runs Python in a headless Chromium, with what pyodide_site.py serves:
//
//   node pyodide_page.mjs URL
//
// Prints what in_pyodide.py found. INTEROP_NODE_MODULES names the node_modules folder that
// holds playwright-core, CHROMIUM the browser.

import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const load = createRequire(join(resolve(process.env.INTEROP_NODE_MODULES), "from-here.js"));
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];

/** In the page: runs the program, returns the value of its last line. */
async function runProgram() {
  const get = async (path) => {
    const response = await fetch(path);
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    return response;
  };
  const { loadPyodide } = await import("/pyodide/pyodide.mjs");
  const pyodide = await loadPyodide({ indexURL: "/pyodide/" });
  pyodide.unpackArchive(await (await get("/txwebsocket.zip")).arrayBuffer(), "zip");
  return pyodide.runPythonAsync(await (await get("/program.py")).text());
}

const browser = await load("playwright-core").chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS, timeout: 20_000,
});
try {
  const page = await browser.newPage();
  await page.goto(process.argv[2]);
  console.log(await page.evaluate(runProgram));
} finally {
  await browser.close();
}
