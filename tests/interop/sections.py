# Part of txwebsocket. See LICENSE for details.
"""
What is tried besides the conversations of each peer with us.
"""

import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any

from certificates import Authority
from children import Child, OutOfStep, output
from conversations import PROTOCOL, Different, Pairing, converse
from matrix import PEERS
from results import Place, Results
from setting import CHROMIUM, HERE, OURS, TCP, Setting

WEBSOCKETS = PEERS["websockets"].driver
PROGRAMS = {
    "twistd": ("twistd", "-n"),
    "twistd --reactor=asyncio": ("twistd", "--reactor=asyncio", "-n"),
    "twist": ("twist", "--log-format=text"),
}

_FEW_SIZES = (0, 126, 65536, 1_000_000)
_DEFAULT_LIMIT = 2**20
# drive.mjs gives itself 60 s.
_BROWSER = 65.0
# More than closeTimeout.
_FAREWELL = 8.0


async def note(
    results: Results, place: Place, what: str, step: Awaitable[str | None]
) -> None:
    """
    Take down a check.

    :param step: returns what was wrong, if anything was.
    """
    try:
        why = await step or ""
    except (Different, OutOfStep) as error:
        why = str(error)
    results.check(place, what, why)


def lacking(text: str, parts: Sequence[str]) -> str:
    """
    What is wrong with a text that should have these parts.
    """
    missing = [part for part in parts if part not in text]
    return f"no {missing} in {text[:500]!r}" if missing else ""


# curl


async def curl(setting: Setting, *arguments: str) -> str:
    """
    All that curl shows of its answers, headers included.
    """
    always = ("-sS", "-i", "-N", "--noproxy", "*", "--max-time", "2")
    trusted = ("--cacert", setting.authority.path)
    _, text = await output("curl", *always, *trusted, *arguments, cwd=setting.folder)
    return text


def httpURL(url: str) -> str:
    return url.replace("ws", "http", 1)


def _headers(*lines: str) -> tuple[str, ...]:
    return tuple(word for line in lines for word in ("-H", line))


_ASKS = _headers("Connection: Upgrade", "Upgrade: websocket")
# The example of RFC 6455, 1.3.
_KEY = _headers("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
_VERSION = _headers("Sec-WebSocket-Version: 13")
_UPGRADE = (*_ASKS, *_KEY, *_VERSION)

_REQUESTS = {
    "the upgrade by hand is accepted": (
        (*_UPGRADE, "--max-time", "1"),
        ("HTTP/1.1 101 ", "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
    ),
    "a plain GET shows the page": (
        (),
        ("HTTP/1.1 200 ", "Content-Type: text/html", "<html", "</html>"),
    ),
    "another version is refused with those that are spoken": (
        (*_ASKS, *_KEY, *_headers("Sec-WebSocket-Version: 7")),
        ("HTTP/1.1 426 ", "Version: 13", "Content-Type: text/plain", "Version 7 "),
    ),
    "an upgrade that lost its headers on the way is told so": (
        (*_KEY, *_VERSION),
        ("HTTP/1.1 426 ", "Upgrade: websocket", "Content-Type: text/plain", "proxy"),
    ),
    "a missing key is named": (
        (*_ASKS, *_VERSION),
        ("HTTP/1.1 400 ", "Content-Type: text/plain", "Sec-WebSocket-Key must"),
    ),
    "a page from elsewhere is named": (
        (*_UPGRADE, *_headers("Origin: https://elsewhere.test")),
        (
            "HTTP/1.1 403 ",
            "Content-Type: text/plain",
            "https://elsewhere.test",
            "origins",
        ),
    ),
    "only GET upgrades": (
        (*_UPGRADE, "-X", "DELETE"),
        ("HTTP/1.1 405 ", "Allow: GET", "Content-Type: text/plain"),
    ),
    "HTTP/1.0 can't be upgraded": (
        (*_UPGRADE, "--http1.0", "--no-alpn"),
        (" 400 ", "Content-Type: text/plain", "HTTP/1.1"),
    ),
    "an offer of HTTP/2 is passed over": (
        ("--http2",),
        ("HTTP/1.1 200 ", "Content-Type: text/html", "</html>"),
    ),
}


async def tryCurl(setting: Setting, results: Results) -> None:
    """
    The opening handshake, and refusals that people can read.
    """
    for over, port in (("ws", TCP), ("wss", setting.tlsPort())):
        async with setting.twistd("--port", port) as server:
            url = httpURL(await server.listening())
            for what, (arguments, parts) in _REQUESTS.items():
                why = lacking(await curl(setting, *arguments, url), parts)
                results.check(Place("curl", "twistd", over), what, why)


# Chromium


async def tryChromium(setting: Setting, results: Results) -> None:
    """
    The page of ``twistd websocket``.
    """
    for over, port, flags in (
        ("ws", TCP, ()),
        ("wss", setting.tlsPort(), ("--ignore-https-errors",)),
    ):
        place = Place("chromium", "twistd", over)
        async with setting.twistd("--port", port) as server:
            url = httpURL(await server.listening())
            limit = ("--max-message", str(_DEFAULT_LIMIT))
            _, text = await output(
                "node",
                HERE / "page" / "drive.mjs",
                *(url, *flags, *limit),
                cwd=setting.folder,
                seconds=_BROWSER,
                INTEROP_NODE_MODULES=str(setting.nodeModules),
                CHROMIUM=CHROMIUM,
            )
        try:
            found = json.loads(text)
        except ValueError:
            results.check(place, "drive.mjs tells what it found", text[-500:])
            continue
        for cell in found["cells"]:
            results.cell(place, cell["kind"], cell["size"], cell.get("why", ""))
        for name in found["passed"]:
            results.check(place, name)
        for failed in found["failed"]:
            results.check(place, failed["name"], failed["why"])


# twistd


async def echoed(client: Child, *protocols: str, **where: str) -> None:
    """
    Connect a client, and see that what it says is echoed.
    """
    client.tell("connect", protocols=protocols, **where)
    await client.expect("open")
    client.tell("say", text="hello")
    facts = await client.expect("message")
    if facts["sha256"] != sha256(b"hello").hexdigest():
        raise Different(f"the echo of 'hello' is {facts}")


async def tryTwistd(setting: Setting, results: Results) -> None:
    """
    The ways to run our server, its options and its end.
    """
    for name, program in PROGRAMS.items():
        if name != "twistd":
            await _tryFew(setting, results, name, program)
        await _tryStop(setting, results, Place("twistd", name), program)
    await _tryPorts(setting, results)
    await _tryStatic(setting, results)


async def _tryFew(
    setting: Setting, results: Results, name: str, program: tuple[str, ...]
) -> None:
    pairing = Pairing(
        place=Place("websockets", name, "ws"),
        client=partial(setting.driver, WEBSOCKETS, "client"),
        server=partial(setting.twistd, "--port", TCP, program=program),
        weServe=True,
        isObserved=False,
    )
    few = [message for message in setting.messages if message.size in _FEW_SIZES]
    await converse(pairing, few, setting.tooBig, results)


async def _tryStop(
    setting: Setting, results: Results, place: Place, program: tuple[str, ...]
) -> None:
    """
    All clients see 1001, and the process ends by itself.
    """
    drivers = {
        name: peer.driver
        for name, peer in PEERS.items()
        if not await setting.missing(peer.needs)
    }
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            setting.twistd("--port", TCP, program=program)
        )
        url = await server.listening()
        clients = {
            name: await stack.enter_async_context(setting.driver(driver, "client"))
            for name, driver in {**drivers, "txwebsocket": OURS}.items()
        }
        for client in clients.values():
            await echoed(client, url=url)
        server.terminate()
        for name, client in clients.items():
            await note(results, place, f"SIGTERM: {name} sees 1001", _seesGoing(client))
        await note(results, place, "SIGTERM: it ends in peace", _endsInPeace(server))


async def _seesGoing(client: Child) -> str:
    code = (await client.expect("closed"))["code"]
    return "" if code == 1001 else f"{code}"


async def _endsInPeace(server: Child) -> str:
    status = await server.ended(_FAREWELL)
    await server.expect("ended")
    # Twisted tells its parent by which signal it was stopped, after all is done.
    if status not in (0, -signal.SIGTERM):
        return f"status {status}"
    log = "\n".join(server.log)
    if "Traceback" in log:
        return log[log.index("Traceback") :]
    return lacking(log, ["Stopping factory"])


async def _tryPorts(setting: Setting, results: Results) -> None:
    place = Place("twistd", "--port, twice")
    path = setting.folder / "socket"
    async with (
        setting.twistd("--port", TCP, "--port", f"unix:{path}") as server,
        setting.driver(WEBSOCKETS, "client") as client,
    ):
        urls = [await server.listening(), await server.listening()]
        unix = f"ws+unix:{path}"
        results.check(place, "both are announced", lacking(" ".join(urls), [unix]))
        urls.remove(unix)
        await note(results, place, "tcp", echoed(client, url=urls[0]))
        reached = echoed(client, url="ws://localhost/", path=str(path))
        await note(results, place, "unix", reached)


async def _tryStatic(setting: Setting, results: Results) -> None:
    place = Place("twistd", "--static")
    folder = setting.folder / "static"
    folder.mkdir()
    (folder / "index.html").write_text("<!DOCTYPE html><title>our own</title>")
    (folder / "notes.txt").write_text("a file of ours")
    async with (
        setting.twistd("--port", TCP, "--static", str(folder)) as server,
        setting.driver(WEBSOCKETS, "client") as client,
    ):
        url = await server.listening()
        for path, kind, words in (
            ("", "text/html", "our own"),
            ("notes.txt", "text/plain", "a file of ours"),
        ):
            text = await curl(setting, httpURL(url) + path)
            why = lacking(text, ["HTTP/1.1 200 ", kind, words])
            results.check(place, f"/{path} is the file", why)
        await note(results, place, "the WebSocket is at /", echoed(client, url=url))


# TLS


async def tryTrust(setting: Setting, results: Results) -> None:
    """
    Our client connects to whom it is told to trust, and to nobody else.
    """
    ours = setting.authority
    stranger = Authority(setting.folder, "stranger")
    elsewhere = ours.certify("elsewhere.test")
    place = Place("trust", "client", "wss")
    for what, host, certified, authority, isTrusted in (
        (
            "trusts a certificate for the name",
            "localhost",
            setting.certified,
            ours,
            True,
        ),
        (
            "trusts a certificate for the address",
            "127.0.0.1",
            setting.certified,
            ours,
            True,
        ),
        (
            "distrusts another authority",
            "localhost",
            setting.certified,
            stranger,
            False,
        ),
        (
            "trusts the platform's authorities alone by itself",
            "localhost",
            setting.certified,
            None,
            False,
        ),
        (
            "distrusts a certificate for another name",
            "localhost",
            elsewhere,
            ours,
            False,
        ),
    ):
        trust = {"authority": authority.path} if authority else {}
        async with (
            setting.driver(WEBSOCKETS, "server", **certified) as server,
            setting.driver(OURS, "client", **trust) as client,
        ):
            url = (await server.listening()).replace("127.0.0.1", host)
            step = _echoedOverTLS if isTrusted else _refusedByUs
            await note(results, place, what, step(client, url))


async def _echoedOverTLS(client: Child, url: str) -> None:
    await echoed(client, PROTOCOL, url=url)


async def _refusedByUs(client: Child, url: str) -> str:
    """
    See that our client does not connect, and knows what it was doing.
    """
    client.tell("connect", url=url, protocols=[PROTOCOL])
    facts = await client.expect("refused")
    return "" if facts["step"] == "TLS" else f"{facts}"


# A site with a WebSocket in it


async def tryEmbedding(setting: Setting, results: Results) -> None:
    """
    A WebSocket beside pages, below authentication, and asked for in HTTP/2.
    """
    async with (
        _embedding(setting) as url,
        setting.driver(WEBSOCKETS, "client") as theirs,
        setting.driver(OURS, "client") as ours,
    ):
        place = Place("embedding", "Site", "ws")
        for path, parts in _PAGES.items():
            why = lacking(await curl(setting, httpURL(url) + path), parts)
            results.check(place, f"GET /{path}", why)
        member = url.replace("//", "//member:secret@")
        why = lacking(await curl(setting, httpURL(member) + "members/chat"), _MEMBERS)
        results.check(place, "GET /members/chat with a password", why)
        for name, client in {"websockets": theirs, "txwebsocket": ours}.items():
            for path in ("chat", "chat/"):
                talk = echoed(client, url=url + path)
                await note(results, place, f"{name} talks at /{path}", talk)
            what = f"{name} needs a password at /members/chat"
            await note(results, place, what, _unauthorized(client, url))
            talk = echoed(client, url=member + "members/chat")
            await note(results, place, f"{name} talks at /members/chat with it", talk)
    async with _embedding(setting, **setting.certified) as url:
        place = Place("embedding", "Site", "HTTP/2")
        # One connection for all of them, so that it has to survive the refusal.
        text = await curl(
            setting,
            *("--http2", "-w", _COUNT, httpURL(url) + "chat", "--next"),
            *("-sS", "-i", "--http2", "-w", _COUNT, "--max-time", "2"),
            *("--noproxy", "*", "--cacert", setting.authority.path),
            *(*_KEY, *_VERSION, httpURL(url) + "chat", httpURL(url) + "about"),
        )
        shown, refusal, after = [*text.split(_MARK), "", "", ""][:3]
        chat = ["HTTP/2 200", "<title>chat"]
        results.check(place, "GET /chat", lacking(shown, chat))
        why = lacking(refusal, ["HTTP/2 426", "text/plain", "HTTP/1.1"])
        results.check(place, "an upgrade is refused", why)
        why = lacking(after, ["HTTP/2 200", "<title>about", "0 new connections"])
        results.check(place, "GET /about after that, on the same connection", why)


_MARK = "-- "
_COUNT = f"\n%{{num_connects}} new connections\n{_MARK}"
_MEMBERS = ["HTTP/1.1 200 ", "<title>members"]
_PAGES = {
    "": ["HTTP/1.1 200 ", "<title>home"],
    "about": ["HTTP/1.1 200 ", "<title>about"],
    "chat": ["HTTP/1.1 200 ", "<title>chat"],
    "members/chat": ["HTTP/1.1 401 ", "WWW-Authenticate: basic"],
}


@asynccontextmanager
async def _embedding(setting: Setting, **certified: str) -> AsyncIterator[str]:
    async with setting.driver("embedding.py", "server", **certified) as server:
        yield await server.listening()


async def _unauthorized(client: Child, url: str) -> str:
    client.tell("connect", url=url + "members/chat", protocols=[])
    return lacking((await client.expect("refused"))["why"], ["401"])


@dataclass(frozen=True)
class Section:
    """
    A part of the suite.

    :ivar needs: what has to be installed.
    """

    run: Callable[[Setting, Results], Awaitable[Any]]
    needs: tuple[str, ...]


SECTIONS = {
    "chromium": Section(tryChromium, (f"program {CHROMIUM}", "node playwright-core")),
    "curl": Section(tryCurl, ("program curl",)),
    "twistd": Section(tryTwistd, ("python websockets", "program curl")),
    "trust": Section(tryTrust, ("python websockets",)),
    "embedding": Section(
        tryEmbedding, ("python websockets", "python h2", "program curl")
    ),
}
