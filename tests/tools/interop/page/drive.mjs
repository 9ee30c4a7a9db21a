// Drives the echo server's page in a headless Chromium.
//
//   node drive.mjs URL [--ignore-https-errors] [--max-message BYTES]
//
// Prints one line of JSON, {"passed": [name], "failed": [{name, why}], "cells": [{kind, size, ok}]},
// and exits with 0 only if nothing failed. With --max-message it also sends one byte more than that
// and expects the page to explain a close with 1009.
//
// INTEROP_NODE_MODULES may name the node_modules folder that holds playwright-core, CHROMIUM the browser.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { parseArgs, stripVTControlCharacters } from "node:util";

const modules = process.env.INTEROP_NODE_MODULES;
const require = createRequire(modules ? join(resolve(modules), "from-here.js") : import.meta.url);

const WHOLE_RUN = 60_000;
const CLOSING = 2_000; // how long the browser may take to go
const ONE_STEP = 5_000;
const SIZES = [0, 1, 125, 126, 65535, 65536, 1000000];
const PNG = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAQAAAAECAIAAAAmkwkpAAAAEElEQVR42mPgyU6DIwbiOABhww3RTn35FQAAAABJRU5ErkJggg==", "base64");
const PAGE_POLICY = ["default-src 'none'", "script-src 'self'", "style-src 'self'"];

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { "ignore-https-errors": { type: "boolean", default: false }, "max-message": { type: "string" } },
});
if (positionals.length !== 1) {
  console.error("usage: node drive.mjs URL [--ignore-https-errors] [--max-message BYTES]");
  process.exit(2);
}
const url = positionals[0];
const insecure = options["ignore-https-errors"];

const passed = [];
const failed = [];
const cells = [];
const complaints = []; // what the browser had to complain about, at any time

let running = "starting the browser";
let browser;
let finished = false;
const wholeRun = setTimeout(() => finish(`no time left of ${WHOLE_RUN / 1000} s`), WHOLE_RUN - 2 * CLOSING);

function inShort(error) {
  return stripVTControlCharacters(String(error.message)).split("\n").slice(0, 3).join(" ");
}

/** Prints the outcome and ends the process, whatever may still be under way. */
async function finish(why) {
  if (finished) return;
  finished = true;
  clearTimeout(wholeRun);
  if (why) failed.push({ name: running, why });
  console.log(JSON.stringify({ passed, failed, cells }));
  const status = failed.length === 0 ? 0 : 1;
  setTimeout(() => process.exit(status), CLOSING);
  await browser?.close();
  process.exit(status);
}

function ensure(condition, why) {
  if (!condition) throw new Error(why);
}

async function check(name, step) {
  running = name;
  try {
    await step();
    passed.push(name);
  } catch (error) {
    failed.push({ name, why: inShort(error) });
  }
}

const stateIs = (page, state) => page.locator(`#state:text-is("${state}")`).waitFor({ timeout: ONE_STEP });

async function openPage(context, viewport) {
  const page = await context.newPage();
  if (viewport) await page.setViewportSize(viewport);
  page.setDefaultTimeout(ONE_STEP);
  page.on("console", (message) => message.type() === "error" && complaints.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => complaints.push(`uncaught: ${error.message}`));
  page.on("requestfailed", (request) => complaints.push(`failed: ${request.url()} ${request.failure()?.errorText}`));
  page.on("response", (answer) => answer.ok() || complaints.push(`status ${answer.status()}: ${answer.url()}`));
  const response = await page.goto(url, { timeout: ONE_STEP });
  return { page, response };
}

/** Does what sends one message and returns the facts of the entry in the log that came back for it. */
async function echoOf(page, doIt) {
  const entries = page.locator('#log li[data-direction="received"]');
  const before = await entries.count();
  await doIt();
  const entry = entries.nth(before);
  await entry.waitFor();
  return entry.evaluate((item) => ({
    ...item.dataset,
    shown: item.querySelector(".body")?.textContent,
    elements: item.querySelectorAll(".body *").length,
  }));
}

function ensureEcho(entry, kind, size) {
  ensure(entry.kind === kind, `came back as ${entry.kind}, sent as ${kind}`);
  ensure(Number(entry.size) === size, `came back with ${entry.size} bytes, sent with ${size}`);
  ensure(entry.rtt !== undefined && Number(entry.rtt) >= 0, "not recognised as an echo: no round-trip time");
}

async function typed(page, text) {
  const entry = await echoOf(page, async () => {
    await page.locator("#composer").pressSequentially(text);
    await page.keyboard.press("Enter");
  });
  ensureEcho(entry, "text", Buffer.byteLength(text));
  ensure(entry.shown === text, `shown as ${JSON.stringify(entry.shown)}`);
  ensure(entry.elements === 0, "the text became markup");
  ensure((await page.locator("#composer").inputValue()) === "", "the composer was not emptied");
}

async function chosen(page, buffer, name = `${buffer.length}.bin`) {
  const file = { name, mimeType: "application/octet-stream", buffer };
  ensureEcho(await echoOf(page, () => page.setInputFiles("#file", file)), "binary", buffer.length);
}

function pattern(size) {
  return Buffer.from(Uint8Array.from({ length: size }, (_, index) => (index * 31 + (index >> 8)) & 255));
}

/** In the page: sends one message on a WebSocket of its own and says what is wrong with the answer, or "". */
function echoInPage({ kind, size, timeout }) {
  return new Promise((done) => {
    const socket = new WebSocket(location.href.replace(/^http/, "ws"));
    socket.binaryType = "arraybuffer";
    const bytes = Uint8Array.from({ length: size }, (_, index) => (index * 7 + (index >> 8)) & 255);
    const sent = kind === "binary" ? bytes : "".padEnd(size, "0123456789 abcdefghijklmnopqrstuvwxyz");
    let answer = "no answer";
    const timer = setTimeout(() => socket.close(), timeout);
    socket.onopen = () => socket.send(sent);
    socket.onmessage = ({ data }) => {
      if ((typeof data === "string") !== (kind === "text")) answer = "came back as the other kind";
      else if (kind === "text") answer = data === sent ? "" : `other text, ${data.length} characters`;
      else {
        const back = new Uint8Array(data);
        const alike = back.length === size && back.every((byte, index) => byte === bytes[index]);
        answer = alike ? "" : `other bytes, ${back.length} of them`;
      }
      socket.close(1000);
    };
    socket.onclose = (event) => {
      clearTimeout(timer);
      done(answer || (event.wasClean && event.code === 1000 ? "" : `closed with ${event.code}`));
    };
  });
}

async function ensureFits(page) {
  const { wide, room } = await page.evaluate(() => ({
    wide: document.documentElement.scrollWidth, room: document.documentElement.clientWidth,
  }));
  ensure(wide <= room, `the page is ${wide} px wide in a window of ${room} px`);
}

async function desktop(context) {
  // Without this, nothing else can be tried: an error here ends the run.
  running = "page loads and its state becomes open";
  const { page, response } = await openPage(context);
  ensure(response.status() === 200, `status ${response.status()}`);
  await stateIs(page, "open");
  passed.push(running);

  await check("strict content security policy", async () => {
    const policy = (await page.request.get(url)).headers()["content-security-policy"] ?? "";
    for (const part of PAGE_POLICY) ensure(policy.includes(part), `no ${part} in ${JSON.stringify(policy)}`);
    ensure(!policy.includes("unsafe"), policy);
  });
  await check("icon", async () => {
    const href = await page.locator('link[rel="icon"]').evaluate((link) => link.href);
    const answer = await page.request.get(href);
    ensure(answer.status() === 200, `status ${answer.status()}`);
    ensure(answer.headers()["content-type"]?.startsWith("image/svg+xml"), answer.headers()["content-type"]);
  });

  await check("short text", () => typed(page, "hello"));
  await check("non-ASCII and emoji", () => typed(page, "Grüße, 世界, ‮שלום‬ 👩🏽‍🚀🎉"));
  await check("markup stays text", () => typed(page, '<img src="x" onerror="alert(1)"><b>bold</b>'));
  await check("Shift+Enter makes a new line", async () => {
    const entry = await echoOf(page, async () => {
      await page.locator("#composer").pressSequentially("one");
      await page.keyboard.press("Shift+Enter");
      await page.keyboard.type("two");
      await page.locator("#send").click();
    });
    ensureEcho(entry, "text", 7);
    ensure(entry.shown === "one\ntwo", `shown as ${JSON.stringify(entry.shown)}`);
  });
  await check("empty text", async () => ensureEcho(await echoOf(page, () => page.locator("#send").click()), "text", 0));

  for (const size of [0, 200, 1000000]) await check(`file of ${size} bytes`, () => chosen(page, pattern(size)));
  await check("saved file is the one that was sent", async () => {
    await chosen(page, pattern(300), "three hundred.bin");
    const starting = page.waitForEvent("download");
    await page.locator("#log li a[download]").last().click();
    const download = await starting;
    ensure(download.suggestedFilename() === "three hundred.bin", download.suggestedFilename());
    ensure((await readFile(await download.path())).equals(pattern(300)), "other contents");
  });
  await check("image is shown", async () => {
    await chosen(page, PNG, "four.png");
    const image = page.locator("#log li img").last();
    await image.evaluate((element) => element.decode());
    ensure((await image.evaluate((element) => element.naturalWidth)) === 4, "not decoded");
  });
  await check("dropped file", async () => {
    const entry = await echoOf(page, async () => {
      const transfer = await page.evaluateHandle(() => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(50)], "dropped.bin"));
        return data;
      });
      for (const type of ["dragover", "drop"]) await page.dispatchEvent("#log", type, { dataTransfer: transfer });
    });
    ensureEcho(entry, "binary", 50);
  });

  await check("text and binary of every size, contents compared", async () => {
    for (const kind of ["text", "binary"]) {
      // Side by side, so that a server that never answers costs one wait for each kind.
      cells.push(...(await Promise.all(SIZES.map(async (size) => {
        const why = await page.evaluate(echoInPage, { kind, size, timeout: ONE_STEP });
        return why ? { kind, size, ok: false, why } : { kind, size, ok: true };
      }))));
    }
    const bad = cells.filter((cell) => !cell.ok).map((cell) => `${cell.kind} ${cell.size}: ${cell.why}`);
    ensure(bad.length === 0, bad.join("; "));
  });

  await check("log is bounded, Clear empties it", async () => {
    await page.evaluate(() => {
      for (let count = 0; count < 300; count += 1) {
        document.getElementById("composer").value = `${count}`;
        document.getElementById("send").click();
      }
    });
    await page.locator('#log li[data-direction="received"]:last-child .body:text-is("299")').waitFor();
    const count = await page.locator("#log li").count();
    ensure(count === 500, `${count} entries after 600 more`);
    await page.locator("#clear").click();
    ensure((await page.locator("#log li").count()) === 0, "entries left after Clear");
  });

  await check("Disconnect closes cleanly with 1000", async () => {
    await page.locator("#toggle").click();
    await stateIs(page, "closed");
    const code = await page.locator("#close-code").textContent();
    ensure(code === "1000", `closed with ${code}`);
    ensure((await page.locator("#close-clean").textContent()) === "clean", "not clean");
    ensure(await page.locator("#close-code").isVisible(), "the code is not visible");
    const notes = await page.locator('#log li[data-direction="note"][data-kind="close"]').count();
    ensure(notes === 1, `${notes} notes in the log`);
  });
  await check("what is typed while closed is kept", async () => {
    await page.locator("#composer").pressSequentially("later");
    await page.keyboard.press("Enter");
    await page.locator('#log li[data-kind="error"]').waitFor();
    ensure((await page.locator("#composer").inputValue()) === "later", "lost");
  });
  await check("Connect connects again", async () => {
    await page.locator("#toggle").click();
    await stateIs(page, "open");
    ensure(!(await page.locator("#close-code").isVisible()), "the last close is still shown");
    ensureEcho(await echoOf(page, () => page.locator("#send").click()), "text", 5);
  });
  if (options["max-message"]) {
    await check("message too big is explained", async () => {
      await page.setInputFiles("#file", {
        name: "big.bin", mimeType: "application/octet-stream", buffer: Buffer.alloc(Number(options["max-message"]) + 1),
      });
      await stateIs(page, "closed");
      const code = await page.locator("#close-code").textContent();
      ensure(code === "1009", `closed with ${code}`);
      ensure((await page.locator("#advice").textContent()).includes("larger than this server accepts"), "not in words");
    });
  }
  await page.close();
}

async function phone(context) {
  const { page } = await openPage(context, { width: 320, height: 640 });
  await check("phone: fits while open", async () => {
    await stateIs(page, "open");
    await typed(page, "w".repeat(300));
    await chosen(page, pattern(64), `${"long".repeat(40)}.bin`);
    await ensureFits(page);
  });
  await check("phone: fits when closed", async () => {
    await page.locator("#toggle").click();
    await stateIs(page, "closed");
    await ensureFits(page);
  });
  await page.close();
}

async function keyboard(context) {
  const { page } = await openPage(context);
  await check("keyboard alone", async () => {
    await stateIs(page, "open");
    const focused = () => page.evaluate(() => {
      // A hidden control shows its focus on its label.
      const element = document.activeElement;
      const shown = element.labels?.[0] && getComputedStyle(element).opacity === "0" ? element.labels[0] : element;
      return { id: element.id, outline: getComputedStyle(shown).outlineStyle };
    });
    const seen = [];
    while (seen.at(-1) !== "composer" && seen.length < 20) {
      await page.keyboard.press("Tab");
      const { id, outline } = await focused();
      ensure(outline !== "none", `no visible focus on #${id}`);
      seen.push(id);
    }
    ensure(seen.at(-1) === "composer", `Tab does not reach the composer: ${seen}`);
    const entry = await echoOf(page, async () => {
      await page.keyboard.type("typed only");
      await page.keyboard.press("Enter");
    });
    ensureEcho(entry, "text", 10);
    ensure((await focused()).id === "composer", "sending took the focus away");
    for (const id of ["send", "file"]) {
      await page.keyboard.press("Tab");
      const next = await focused();
      ensure(next.id === id, `Tab leads to #${next.id}, not #${id}`);
      ensure(next.outline !== "none", `no visible focus on #${id}`);
    }
  });
  await page.close();
}

try {
  const flags = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
  ];
  browser = await require("playwright-core").chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: insecure ? [...flags, "--ignore-certificate-errors"] : flags,
    timeout: 20_000,
  });
  const context = await browser.newContext({ ignoreHTTPSErrors: insecure });
  await context.exposeBinding("reportViolation", (_, text) => complaints.push(`policy: ${text}`));
  await context.addInitScript(() => addEventListener("securitypolicyviolation", (event) =>
    globalThis.reportViolation(`${event.effectiveDirective} ${event.blockedURI}`)));
  await desktop(context);
  await phone(context);
  await keyboard(context);
  await check("no console errors, policy violations or failed requests", () =>
    ensure(complaints.length === 0, complaints.slice(0, 10).join("; ")));
  await finish();
} catch (error) {
  await finish(inShort(error));
}
