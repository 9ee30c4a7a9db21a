// The page of the echo server: one WebSocket to the page's own address, and a log of what passes over it.
// Whatever a peer sends reaches the document through textContent only.

const MIB = 2 ** 20;
const MAX_ENTRIES = 500;
const MAX_BYTES = 64 * MIB; // of one file, of all that can be saved, and of all that may yet come back
const MAX_BUFFERED = 4 * MIB; // the next file waits until less than this is unsent
const SHOWN_CHARACTERS = 1000;
const SHOWN_BYTES = 16;
const DEFAULT_LIMIT = MIB; // of one message, at the server

const CLOSE_CODES = {
  1000: ["Normal closure", "the conversation was over."],
  1001: ["Going away", "the server is shutting down, or the page was left."],
  1002: ["Protocol error", "the other side broke the rules of the protocol."],
  1003: ["Unsupported data", "this kind of message is not accepted."],
  1004: ["Reserved", "this code has no meaning yet."],
  1005: ["No code", "the close frame carried none."],
  1006: ["Abnormal closure", "the connection was lost without a close frame."],
  1007: ["Invalid payload", "a message did not hold what its kind promises, such as text that is not UTF-8."],
  1008: ["Policy violation", "a message was against the server’s policy."],
  1009: ["Message too big", "the server does not accept a message of this size."],
  1010: ["Mandatory extension", "the server did not agree to an extension that the client needs."],
  1011: ["Internal error", "something unexpected went wrong at the server."],
  1012: ["Service restart", "the server is restarting."],
  1013: ["Try again later", "the server has too much to do."],
  1014: ["Bad gateway", "a gateway got an invalid answer from the server behind it."],
  1015: ["TLS handshake failed", "for instance because the certificate could not be verified."],
  "3xxx": ["Registered code", "a library or framework has defined it."],
  "4xxx": ["Private code", "the application knows its meaning."],
  other: ["Unknown code", "the protocol does not define it."],
};

const IMAGES = [
  { type: "image/png", extension: "png", signature: /^89504e470d0a1a0a/ },
  { type: "image/jpeg", extension: "jpg", signature: /^ffd8ff/ },
  { type: "image/gif", extension: "gif", signature: /^474946383[79]61/ },
  { type: "image/webp", extension: "webp", signature: /^52494646.{8}57454250/ },
];
const OTHER = {
  text: { type: "text/plain;charset=utf-8", extension: "txt" },
  binary: { type: "application/octet-stream", extension: "bin" },
};

/** The newest items, bounded in number and in the bytes they hold. */
class Recent {
  items = [];
  #bytes = 0;
  #dropped;

  constructor(dropped = () => {}) {
    this.#dropped = dropped;
  }

  add(item) {
    this.items.push(item);
    this.#bytes += item.held;
    while (this.items.length > MAX_ENTRIES || (this.#bytes > MAX_BYTES && this.items.length > 1)) this.drop(1);
  }

  drop(count = this.items.length) {
    for (const item of this.items.splice(0, count)) {
      this.#bytes -= item.held;
      this.#dropped(item);
    }
  }
}

const byId = (id) => document.getElementById(id);
const show = (texts) => Object.entries(texts).forEach(([id, text]) => (byId(id).textContent = text));
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const utf8 = new TextEncoder();
const clock = new Intl.DateTimeFormat("en", { timeStyle: "medium", hourCycle: "h23" });

const address = new URL(location.href);
address.protocol = address.protocol.replace("http", "ws");
address.hash = "";

const awaited = new Recent(); // what was sent and has not come back
const log = new Recent(({ item, url }) => {
  item.remove();
  if (url) URL.revokeObjectURL(url);
});
let socket = null;
let watching = false;

// Words

const plural = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
const sizeInWords = (bytes) => plural(bytes, "byte");
const rttInWords = (ms) => `${ms < 10 ? ms.toFixed(1) : Math.round(ms).toLocaleString("en")} ms`;
const hex = (bytes, separator = "") => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(separator);

function closeAdvice(code, opened, largest) {
  if (!opened) {
    return "The connection was never opened: the server did not answer, or it refused, or you cancelled. " +
      "Browsers do not tell a page which; the server’s log and the browser’s console may.";
  }
  const tooBig = largest?.size > DEFAULT_LIMIT;
  if (code !== 1009 && !(code === 1006 && tooBig)) return "";
  const what = largest ? `${largest.name ?? "A message"} (${sizeInWords(largest.size)})` : "A message";
  const verb = code === 1009 ? "was" : "may have been";
  return `${what} ${verb} larger than this server accepts. The limit for one message is 1 MiB ` +
    `(${sizeInWords(DEFAULT_LIMIT)}) by default; the server’s option maxReceivedMessageSize sets it.`;
}

// The log

function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

const span = (className, textContent) => make("span", { className, textContent });

function addEntry({ direction, kind, size, name, rtt, url, held = 0 }, ...content) {
  const now = new Date();
  const isNote = direction === "note";
  const details = isNote ? [] : [span("", kind), span("", sizeInWords(size))];
  if (name) details.push(span("", name));
  if (rtt !== undefined) details.push(span("rtt", `back after ${rttInWords(rtt)}`));
  const meta = make("div", { className: "meta" },
    span("direction", isNote ? kind : direction),
    make("span", { className: "details" }, ...details),
    make("time", { dateTime: now.toISOString(), textContent: clock.format(now) }));
  const item = make("li", {}, meta, ...content);
  Object.assign(item.dataset, { direction, kind }, !isNote && { size }, rtt !== undefined && { rtt: rtt.toFixed(1) });
  byId("log").append(item);
  log.add({ item, url, held });
}

function addNote(kind, textContent) {
  addEntry({ direction: "note", kind }, make("p", { className: "body", textContent }));
}

function preview(payload, bytes) {
  if (bytes.length === 0) return make("p", { className: "body nothing", textContent: "empty" });
  if (typeof payload !== "string") {
    const more = bytes.length > SHOWN_BYTES ? " …" : "";
    return make("p", { className: "body hex", textContent: hex(bytes.subarray(0, SHOWN_BYTES), " ") + more });
  }
  const shown = payload.slice(0, SHOWN_CHARACTERS).toWellFormed();
  const body = make("pre", { className: "body", dir: "auto", textContent: shown });
  const left = payload.length - shown.length;
  if (left > 0) body.append(span("more", ` … and ${plural(left, "more character")}`));
  return body;
}

function imagePreview(src, bytes) {
  const image = make("img", { src, alt: "The received image", decoding: "async" });
  image.addEventListener("error", () => image.replaceWith(preview(null, bytes)));
  return image;
}

// The blob's type is never one that a browser would run when the link is opened.
function saveLink(bytes, { type, extension }, name = `message.${extension}`) {
  const href = URL.createObjectURL(new Blob([bytes], { type }));
  return make("a", { className: "save", href, download: name, textContent: "save", ariaLabel: `save ${name}` });
}

// Sending and receiving

function canSend(what) {
  if (socket?.readyState === WebSocket.OPEN) return true;
  addNote("error", `Not connected: ${what} was not sent. Connect first.`);
  return false;
}

function send(kind, payload, bytes, name) {
  const size = bytes.length;
  awaited.add({ kind, bytes, size, name, sentAt: performance.now(), held: size });
  socket.send(payload);
  addEntry({ direction: "sent", kind, size, name }, preview(payload, bytes));
  byId("scroller").scrollTop = 0; // the end, in a reversed column
  watchBuffered();
}

async function sendFiles(files) {
  for (const file of files) {
    const { name, size } = file;
    if (size > MAX_BYTES) {
      addNote("error", `${name} was not sent: ${sizeInWords(size)} are more than the 64 MiB that this page handles.`);
      continue;
    }
    while (socket?.readyState === WebSocket.OPEN && socket.bufferedAmount > MAX_BUFFERED) await pause(50);
    try {
      const bytes = new Uint8Array(await file.arrayBuffer());
      if (canSend(name)) send("binary", bytes, bytes, name);
    } catch (error) {
      addNote("error", `${name} could not be read: ${error.message}`);
    }
  }
}

async function watchBuffered() {
  if (watching) return;
  watching = true;
  while (socket.readyState !== WebSocket.CLOSED && socket.bufferedAmount > 0) {
    show({ buffered: `${sizeInWords(socket.bufferedAmount)} still to be sent` });
    byId("buffered").hidden = false;
    await pause(100);
  }
  byId("buffered").hidden = true;
  watching = false;
}

const same = (a, b) => a.length === b.length && a.every((byte, index) => byte === b[index]);

function received({ data }) {
  const now = performance.now();
  const kind = typeof data === "string" ? "text" : "binary";
  const bytes = kind === "text" ? utf8.encode(data) : new Uint8Array(data);

  // Messages keep their order: what was sent before the one that came back will not come any more.
  const index = awaited.items.findIndex((sent) => sent.kind === kind && same(sent.bytes, bytes));
  const { name, sentAt } = awaited.items[index] ?? {};
  awaited.drop(index + 1);

  const image = kind === "binary" && IMAGES.find(({ signature }) => signature.test(hex(bytes.subarray(0, 12))));
  const savable = kind === "binary" ? bytes.length > 0 : data.length > SHOWN_CHARACTERS;
  const links = savable ? [saveLink(bytes, image || OTHER[kind], name)] : [];
  const url = links[0]?.href;
  const facts = { size: bytes.length, name, rtt: sentAt && now - sentAt, url, held: url && bytes.length };
  const shown = image ? imagePreview(url, bytes) : preview(data, bytes);
  addEntry({ direction: "received", kind, ...facts }, shown, ...links);
}

// The connection

function showState(state) {
  show({ state, toggle: state === "closed" ? "Connect" : "Disconnect" });
  document.body.dataset.state = state;
  byId("toggle").ariaDisabled = String(state === "closing");
}

function showClose({ code, reason, wasClean }, opened) {
  const [meaning, explanation] = CLOSE_CODES[code] ?? CLOSE_CODES[`${String(code)[0]}xxx`] ?? CLOSE_CODES.other;
  const clean = wasClean ? "clean" : "not clean";
  const unanswered = awaited.items.length;
  const largest = awaited.items.toSorted((a, b) => b.size - a.size)[0];
  awaited.drop();

  document.body.dataset.code = code;
  show({ "close-code": code, "close-clean": clean, "close-reason": reason });
  show({ "close-meaning": `${meaning}: ${explanation}`, advice: closeAdvice(code, opened, largest) });
  byId("closed").hidden = false;

  const lines = [`${code} ${meaning} (${clean})`];
  if (reason) lines.push(`Reason: ${reason}`);
  if (unanswered > 0) lines.push(`${plural(unanswered, "message")} had not come back.`);
  addNote("close", lines.join("\n"));
}

function connect() {
  byId("closed").hidden = true;
  show({ protocol: "", extensions: "", advice: "" });
  showState("connecting");
  try {
    socket = new WebSocket(address);
  } catch (error) {
    showState("closed");
    addNote("error", `No connection is possible from here: ${error.message}`);
    return;
  }
  let opened = false;
  socket.binaryType = "arraybuffer";
  socket.addEventListener("open", () => {
    opened = true;
    show({ protocol: socket.protocol || "none", extensions: socket.extensions || "none" });
    showState("open");
    addNote("open", `Connected to ${address}`);
  });
  socket.addEventListener("message", received);
  socket.addEventListener("close", (event) => {
    showState("closed");
    showClose(event, opened);
  });
}

// What the visitor does

byId("toggle").addEventListener("click", () => {
  const state = byId("state").textContent;
  if (state === "closed") connect();
  if (state !== "connecting" && state !== "open") return;
  showState("closing");
  socket.close(1000, "The visitor disconnected.");
});

byId("clear").addEventListener("click", () => log.drop());

byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = byId("composer").value;
  if (!canSend("the text")) return;
  send("text", text, utf8.encode(text)); // an empty message is a message, too
  byId("composer").value = "";
});

byId("composer").addEventListener("keydown", (event) => {
  // The Enter that ends a composition is the input method's; in Safari only the key code says so.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  if (!event.repeat) byId("form").requestSubmit();
});

byId("file").addEventListener("change", ({ target }) => {
  const files = [...target.files];
  target.value = ""; // so that the same file can be chosen again
  sendFiles(files);
});

for (const type of ["dragover", "dragleave", "drop"]) {
  addEventListener(type, (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    const inside = type === "dragover" || (type === "dragleave" && event.relatedTarget !== null);
    document.body.toggleAttribute("data-dragging", inside);
    if (type === "drop") sendFiles([...event.dataTransfer.files]);
  });
}

byId("address").append(...address.href.split(/(?<=[/?&])/).flatMap((part) => [part, make("wbr")]));
connect();
