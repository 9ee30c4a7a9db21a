// Part of txwebsocket. See LICENSE for details.
//
// The driver of a headless Chromium for the section "deflate", as a client.
//
// CHROMIUM may name the browser.

import { load, messages, options, report } from "./deflating.mjs";

const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];

/** In the page: has each message echoed and says what is wrong, if anything is. */
function talk({ url, messages }) {
  const decoded = messages.map(({ isText, base64 }) => {
    const octets = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    return isText ? new TextDecoder().decode(octets) : octets;
  });
  const isSame = (sent, received) => typeof sent === "string" ? received === sent
    : typeof received !== "string" && received.byteLength === sent.length
      && new Uint8Array(received).every((octet, index) => octet === sent[index]);
  return new Promise((done) => {
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    let number = 0;
    let wrong = "";
    const next = () => { if (number < decoded.length) socket.send(decoded[number]); else socket.close(1000); };
    socket.onopen = next;
    socket.onmessage = ({ data }) => {
      if (!isSame(decoded[number], data)) {
        wrong = `message ${number} came back as another`;
        socket.close(1000);
        return;
      }
      number += 1;
      next();
    };
    socket.onclose = ({ code }) => {
      if (number < decoded.length) wrong ||= `closed with ${code} at message ${number}`;
      done({ extensions: socket.extensions, wrong });
    };
  });
}

const sent = messages().map(({ isText, octets }) => ({ isText, base64: octets.toString("base64") }));
const browser = await load("playwright-core").chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS, timeout: 20_000,
});
try {
  const page = await browser.newPage();
  await page.goto(new URL("/", options.cases[0].url.replace("ws", "http")).href);
  for (const { url } of options.cases) report("case", await page.evaluate(talk, { url, messages: sent }));
} finally {
  await browser.close();
}
