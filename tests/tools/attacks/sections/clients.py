# Part of txwebsocket. See LICENSE for details.
"""
The other way round: what a hostile server can do to a client.
"""

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from tests.tools.attacks.findings import (
    MEMORY,
    NUMBER,
    SECONDS,
    Arena,
    Attack,
    Finding,
    atMost,
    calmest,
    linear,
    rows,
    same,
)
from tests.tools.attacks.peers import HOST, Ended, Peer, Trap, trap
from tests.tools.attacks.processes import Client, Unfit
from tests.tools.attacks.wire import (
    BINARY,
    CONTINUATION,
    FIN,
    KIB,
    MIB,
    PING,
    RSV1,
    TEXT,
    answer,
    bomb,
    fragments,
    frame,
    head,
)
from tests.tools.interop.certificates import Authority

_MIB_LIMIT = {"maxReceivedMessageSize": MIB}
_DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate"
_STUCK = 1.0
_REJECTED = "ConnectionRejected"
_SPARE = 2.5


def _url(arena: Arena, server: Trap, host: str = HOST) -> str:
    return f"{'wss' if arena.isSecure else 'ws'}://{host}:{server.port}/"


def _context(arena: Arena, name: str = "127.0.0.1") -> ssl.SSLContext | None:
    if not arena.isSecure:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    paths = (str(arena.folder / f"{name}{suffix}.pem") for suffix in ("", "-key"))
    context.load_cert_chain(*paths)
    return context


def _trust(arena: Arena) -> str | None:
    return str(arena.folder / "authority.pem") if arena.isSecure else None


def _hello(peer: Peer) -> None:
    """
    Say something first, so that the code for that is in memory.
    """
    peer.send(frame(FIN | BINARY, b"hello", isMasked=False))
    peer.send(fragments(TEXT, b"hello", 2, isMasked=False))


# Memory


def bombs(arena: Arena) -> Iterator[Finding]:
    stream = bomb(1024)
    options = {"config": _MIB_LIMIT, "compress": True, "authority": _trust(arena)}
    growths, codes = [], set()
    for parts in (1, 64):
        with (
            trap(_context(arena)) as server,
            Client.running(_url(arena, server), **options) as client,
        ):
            peer = server.accept(_DEFLATE)
            _hello(peer)
            client.expect("message")
            client.mark()
            with suppress(Ended):
                peer.send(fragments(RSV1 | BINARY, stream, parts, isMasked=False))
            codes.add(str(client.expect("closed")["code"]))
            growths.append(client.grown())
    yield atMost("memory", max(growths), 8 * MIB, MEMORY)
    yield same("codes", ", ".join(sorted(codes)), "1009")


def endless(arena: Arena) -> Iterator[Finding]:
    with (
        trap(_context(arena)) as server,
        Client.running(
            _url(arena, server), config=_MIB_LIMIT, authority=_trust(arena)
        ) as client,
    ):
        peer = server.accept()
        _hello(peer)
        client.expect("message")
        client.mark()
        piece = frame(CONTINUATION, bytes(16 * KIB), isMasked=False)
        peer.pour(frame(BINARY, isMasked=False) + piece * 1024, _STUCK)
        yield same("code", client.expect("closed")["code"], 1009)
        yield atMost("memory", client.grown(), 4 * MIB, MEMORY)


def announced(arena: Arena) -> Iterator[Finding]:
    with trap() as server, Client.running(_url(arena, server)) as client:
        server.accept().send(head(FIN | BINARY, 8 * MIB + 1, isMasked=False))
        yield same("code at the head alone", client.expect("closed")["code"], 1009)


def promises(arena: Arena) -> Iterator[Finding]:
    number = 200
    with (
        trap() as server,
        Client.running(_url(arena, server), connections=number) as client,
    ):
        peers = [server.accept() for _ in range(number)]
        client.expectAll(number, "open")
        client.rests()
        client.mark()
        for peer in peers:
            peer.send(head(FIN | BINARY, 1_000_000, isMasked=False) + bytes(10))
        client.rests()
        yield atMost("memory", client.grown(), 8 * MIB, MEMORY)


def tinyFragments(arena: Arena) -> Iterator[Finding]:
    piece = frame(CONTINUATION, b"a", isMasked=False)
    with trap() as server, Client.running(_url(arena, server)) as client:
        peer = server.accept()
        _hello(peer)
        client.expect("message")
        client.mark()
        peer.send(frame(BINARY, isMasked=False) + piece * 1_000_000)
        peer.send(frame(FIN | CONTINUATION, isMasked=False))
        client.awaits(r'"size": 1000000\}$')
        yield atMost("memory", client.grown(), 8 * MIB, MEMORY)


def pings(arena: Arena) -> Iterator[Finding]:
    with (
        trap(_context(arena)) as server,
        Client.running(_url(arena, server), authority=_trust(arena)) as client,
    ):
        peer = server.accept()
        _hello(peer)
        client.expect("message")
        client.mark()
        number = 50_000 if arena.isQuick else 200_000
        peer.pour(frame(FIN | PING, b"p" * 125, isMasked=False) * number, _STUCK)
        client.rests()
        yield atMost("memory", client.grown(), MIB, MEMORY)


# What is no handshake


def _refusals(key: bytes) -> dict[str, bytes]:
    """
    Responses that a client must not take for a WebSocket.
    """
    good = answer(key)
    return {
        "another accept": answer(b"AAAAAAAAAAAAAAAAAAAAAA=="),
        "no accept": good.replace(b"Sec-WebSocket-Accept", b"X"),
        "two accepts": answer(key, "Sec-WebSocket-Accept: x"),
        "no Upgrade": good.replace(b"Upgrade: websocket", b"X: y"),
        "another Upgrade": good.replace(b"Upgrade: websocket", b"Upgrade: h2c"),
        "no Connection": good.replace(b"Connection: Upgrade", b"X: y"),
        "HTTP/1.0": good.replace(b"HTTP/1.1", b"HTTP/1.0"),
        "status 200": good.replace(b"101 Switching Protocols", b"200 OK"),
        "a subprotocol not asked for": answer(key, "Sec-WebSocket-Protocol: a"),
        "an extension not asked for": answer(key, "Sec-WebSocket-Extensions: a"),
        "compression not asked for": answer(key, _DEFLATE),
        "not HTTP": b"\x16\x03\x01" * 20 + b"\r\n\r\n",
        "a banner": b"SSH-2.0-OpenSSH_9.2\r\n",
        "a folded header": answer(key, "X: a", " b"),
        "space before a colon": answer(key, "X : a"),
        "a control character": answer(key, "X: a\x0bb"),
        "200 headers": answer(key, *["X: y"] * 200),
        "a header of 20 kB": answer(key, f"X: {'y' * 20000}"),
        "100 times 100": b"HTTP/1.1 100 Continue\r\n\r\n" * 100,
    }


def handshakes(arena: Arena) -> Iterator[Finding]:
    names = list(_refusals(b""))
    wrong = []
    with (
        trap() as server,
        Client.running(_url(arena, server), connections=len(names)) as client,
    ):
        for name in names:
            peer = server.catch()
            key = peer.head().headers["sec-websocket-key"].encode("ascii")
            with suppress(Ended):
                peer.send(_refusals(key)[name])
            try:
                client.expectAll(names.index(name) + 1, "failed")
            except Unfit as error:
                wrong.append(f"{name}: {error}")
                break
            peer.close()
        opened = [each for each in client.events() if each["event"] == "open"]
    yield rows("all fail", wrong, len(names))
    yield same("taken for a WebSocket", len(opened), 0)


_WINDOWS = (
    "permessage-deflate; server_max_window_bits=7",
    "permessage-deflate; server_max_window_bits=16",
    "permessage-deflate; server_max_window_bits=010",
    "permessage-deflate; server_max_window_bits=999999999999999999999",
    "permessage-deflate; client_max_window_bits",
    "permessage-deflate; unknown=1",
    "permessage-deflate, permessage-deflate",
    "permessage-deflate; server_max_window_bits=15; server_max_window_bits=15",
)


def windows(arena: Arena) -> Iterator[Finding]:
    number = len(_WINDOWS)
    with (
        trap() as server,
        Client.running(
            _url(arena, server), compress=True, connections=number
        ) as client,
    ):
        for value in _WINDOWS:
            server.accept(f"Sec-WebSocket-Extensions: {value}")
        client.expectAll(number, "failed", "open")
        taken = [each for each in client.events() if each["event"] == "open"]
    yield same("taken", len(taken), 0)


def endlessHead(arena: Arena) -> Iterator[Finding]:
    with trap() as server, Client.running(_url(arena, server)) as client:
        peer = server.catch()
        peer.head()
        client.mark()
        line = f"X: {'y' * 1000}\r\n".encode()
        peer.pour(b"HTTP/1.1 101 Switching Protocols\r\n" + line * 20_000, _STUCK)
        yield same("it fails with", client.expect("failed")["error"], "OpeningFailed")
        yield atMost("memory", client.grown(), MIB, MEMORY)


def endlessBody(arena: Arena) -> Iterator[Finding]:
    with trap() as server, Client.running(_url(arena, server)) as client:
        peer = server.catch()
        peer.head()
        client.mark()
        peer.pour(b"HTTP/1.1 403 Forbidden\r\n\r\n" + bytes(20 * MIB), _STUCK)
        failed = client.expect("failed")
        yield same("it fails with", failed["error"], _REJECTED)
        yield atMost("of the body", failed["body"], 64 * KIB, NUMBER)
        yield atMost("memory", client.grown(), MIB, MEMORY)


def endlessStream(arena: Arena) -> Iterator[Finding]:
    with trap() as server, Client.running(_url(arena, server), reads=True) as client:
        peer = server.catch()
        peer.head()
        client.mark()
        peer.pour(b"HTTP/1.1 403 Forbidden\r\n\r\n" + bytes(20 * MIB), _STUCK)
        yield same("it fails with", client.expect("failed")["error"], _REJECTED)
        read = client.expect("read")
        yield same("the body ends with", read["error"], "PartialDownloadError")
        yield atMost("of the body", read["body"], 64 * KIB, NUMBER)
        yield atMost("memory", client.grown(), MIB, MEMORY)


def slowBody(arena: Arena) -> Iterator[Finding]:
    with trap() as server, Client.running(_url(arena, server), reads=True) as client:
        peer = server.catch()
        peer.head()
        began = time.monotonic()
        peer.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\n")
        client.expect("failed")
        yield atMost("it fails after", time.monotonic() - began, _SPARE, SECONDS)
        with suppress(Ended):
            for _ in range(40):
                peer.send(b"x")
                time.sleep(0.5)
        error = client.expect("read", 20.0)["error"]
        yield same("the body ends with", error, "ResponseFailed")
        seconds = time.monotonic() - began
        yield atMost("it ends after", seconds, 10 + _SPARE, SECONDS)


def slowHead(arena: Arena) -> Iterator[Finding]:
    def cost(times: int) -> float:
        with trap() as server, Client.running(_url(arena, server)) as client:
            peer = server.catch()
            key = peer.head().headers["sec-websocket-key"].encode("ascii")
            before = client.worked()
            for byte in answer(key, f"X: {'y' * (times * 3000)}"):
                peer.send(bytes((byte,)))
            client.expect("open")
            return client.worked() - before

    yield linear(*calmest(cost))


def early(arena: Arena) -> Iterator[Finding]:
    with trap() as server, Client.running(_url(arena, server)) as client:
        server.accept(behind=frame(FIN | TEXT, b"early", isMasked=False))
        yield same("size of the message", client.expect("message")["size"], 5)


# Waits


def noAnswer(arena: Arena) -> Iterator[Finding]:
    for name, data in (("at all", b""), ("but a byte at a time", b"HTTP/1.1 101 x")):
        with trap() as server, Client.running(_url(arena, server)) as client:
            peer = server.catch()
            peer.head()
            began = time.monotonic()
            with suppress(Ended):
                for byte in data:
                    peer.send(bytes((byte,)))
                    time.sleep(0.5)
            client.expect("failed", 20.0)
            seconds = time.monotonic() - began
            yield atMost(f"it fails, none {name}, after", seconds, 10 + _SPARE, SECONDS)


def noTLS(arena: Arena) -> Iterator[Finding]:
    with trap() as server, Client.running(f"wss://{HOST}:{server.port}/") as client:
        peer = server.catch()
        began = time.monotonic()
        client.expect("failed", 20.0)
        yield atMost("it fails after", time.monotonic() - began, 10 + _SPARE, SECONDS)
        peer.close()


def closeUnanswered(arena: Arena) -> Iterator[Finding]:
    with trap() as server, Client.running(_url(arena, server), closes=True) as client:
        peer = server.accept()
        peer.code()
        began = time.monotonic()
        with suppress(Ended):
            while time.monotonic() - began < 20:
                peer.send(frame(FIN | TEXT, b"more", isMasked=False))
                time.sleep(0.1)
        yield atMost("it closes after", time.monotonic() - began, 5 + _SPARE, SECONDS)
        yield same("cause", client.expect("closed")["cause"], "CLOSE_TIMEOUT")


def silence(arena: Arena) -> Iterator[Finding]:
    with trap() as server, Client.running(_url(arena, server)) as client:
        peer = server.accept()
        began = time.monotonic()
        cause = client.expect("closed", 45.0)["cause"]
        yield atMost("it ends after", time.monotonic() - began, 30 + _SPARE, SECONDS)
        yield same("cause", cause, "KEEPALIVE_TIMEOUT")
        peer.close()


# Trust

_SECRETS = {
    "Authorization": "Bearer swordfish",
    "Cookie": "sid=swordfish",
    "X-Key": "1",
}


def redirects(arena: Arena) -> Iterator[Finding]:
    with (
        trap() as first,
        trap() as second,
        Client.running(
            _url(arena, first), headers=_SECRETS, config={"maxRedirects": 5}
        ) as client,
    ):
        _redirect(first.catch(), f"http://{HOST}:{second.port}/")
        peer = second.catch()
        told = peer.head().headers
        kept = [name for name in _SECRETS if name.lower() in told]
        yield same("told to another port", ", ".join(kept) or "none", "none")
        _redirect(peer, "ftp://127.0.0.1/")
        failed = client.expect("failed")
        yield same("ftp: is", failed["error"], _REJECTED)
        yield same("said of secrets", str("swordfish" in client.said()), "False")


def _redirect(peer: Peer, where: str) -> None:
    peer.send(
        f"HTTP/1.1 302 Found\r\nLocation: {where}\r\nContent-Length: 0\r\n\r\n".encode()
    )


def endlessRedirects(arena: Arena) -> Iterator[Finding]:
    for most in (0, 5):
        with (
            trap() as server,
            Client.running(
                _url(arena, server), config={"maxRedirects": most}
            ) as client,
        ):
            number = 0
            with suppress(TimeoutError):
                while not any(each["event"] == "failed" for each in client.events()):
                    peer = server.catch()
                    peer.head()
                    number += 1
                    _redirect(peer, f"/{number}")
                    time.sleep(0.2)
            yield same(f"requests with maxRedirects={most}", number, most + 1)


def downgrade(arena: Arena) -> Iterator[Finding]:
    with (
        trap(_context(arena)) as server,
        trap() as plain,
        Client.running(
            _url(arena, server), authority=_trust(arena), config={"maxRedirects": 5}
        ) as client,
    ):
        peer = server.catch()
        peer.head()
        _redirect(peer, f"http://{HOST}:{plain.port}/")
        yield same("wss: to ws: is", client.expect("failed")["error"], _REJECTED)


def certificates(arena: Arena) -> Iterator[Finding]:
    other = Authority(arena.folder, "other")
    other.certify("localhost")
    other.certify(title="nameless")
    other.certify("*", title="everybody")
    other.certify("urn:a", "elsewhere.test", title="elsewhere")
    wrong = []
    cases = (
        ("another authority's", "localhost", "localhost", _trust(arena)),
        ("another host's", "127.0.0.1", "localhost", _trust(arena)),
        ("for a name, and the URL has an address", "localhost", HOST, str(other.path)),
        ("nobody's that the platform trusts", "127.0.0.1", HOST, None),
        ("without a name", "nameless", "localhost", str(other.path)),
        ("for every name", "everybody", "localhost", str(other.path)),
        ("a URN, and another host's", "elsewhere", "localhost", str(other.path)),
    )
    for name, certificate, host, authority in cases:
        with (
            trap(_context(arena, certificate)) as server,
            Client.running(_url(arena, server, host), authority=authority) as client,
        ):
            with suppress(OSError, Ended):
                server.accept()
            if client.expect("failed")["error"] != "OpeningFailed":
                wrong.append(name)
    yield rows("certificates refused", wrong, len(cases))


def masks(arena: Arena) -> Iterator[Finding]:
    number = 20_000 if arena.isQuick else 100_000
    seen = []
    with trap() as server, Client.running(_url(arena, server), sends=number):
        peer = server.accept()
        for _ in range(number):
            frameOf = peer.take(2 + 4 + 5)
            seen.append(frameOf[2:6])
    # Of 100,000 of 2^32 about one pair is alike by chance; each bit is half the time 1.
    yield atMost("alike", number - len(set(seen)), 10, NUMBER)
    ones = [
        sum(int.from_bytes(mask, "big") >> bit & 1 for mask in seen)
        for bit in range(32)
    ]
    spread = max(abs(count / number - 0.5) for count in ones)
    yield atMost("percent that a bit is off", 100 * spread, 2.0, NUMBER)


_BROKEN = {
    "masked": (frame(FIN | TEXT, b"a"), 1002),
    "RSV1": (frame(FIN | RSV1 | TEXT, b"a", isMasked=False), 1002),
    "opcode 3": (frame(FIN | 3, isMasked=False), 1002),
    "a long ping": (head(FIN | PING, 126, isMasked=False), 1002),
    "a continuation": (frame(FIN | CONTINUATION, isMasked=False), 1002),
    "not UTF-8": (head(FIN | TEXT, 99, isMasked=False) + b"\xff", 1007),
    "code 1005": (frame(FIN | 8, b"\x03\xed", isMasked=False), 1002),
}


def brokenFrames(arena: Arena) -> Iterator[Finding]:
    wrong = []
    for name, (stream, code) in _BROKEN.items():
        with trap() as server, Client.running(_url(arena, server)) as client:
            server.accept().send(stream)
            found = client.expect("closed")["code"]
            if found != code:
                wrong.append(f"{name}: {found}, not {code}")
    yield rows("answered as they should be", wrong, len(_BROKEN))


_BOTH = ("tcp", "tls")


def _client(
    kind: str,
    title: str,
    run: Callable[[Arena], Iterator[Finding]],
    over: tuple[str, ...] = ("tcp",),
    isPatient: bool = False,
) -> Attack:
    isOfMemory = kind.startswith("A") or kind == "C2"
    return Attack(kind, title, run, "client", over, isOfMemory, isPatient)


ATTACKS = (
    _client("A1", "messages that inflate to 1 GiB", bombs, _BOTH),
    _client("A2", "a message without an end", endless, _BOTH),
    _client("A2", "a frame announced above the limit", announced),
    _client("A3", "1 MB announced on 200 connections, and 10 bytes sent", promises),
    _client("A5", "a message in 1,000,000 fragments", tinyFragments),
    _client("A6", "a response byte by byte", slowHead),
    _client("A8", "200,000 pings, and nothing read", pings, _BOTH),
    _client("B1", "no response", noAnswer, isPatient=True),
    _client("B1", "no TLS", noTLS, isPatient=True),
    _client(
        "B1", "the body of a rejection, a byte at a time", slowBody, isPatient=True
    ),
    _client("B2", "a close that is talked over", closeUnanswered, isPatient=True),
    _client("B3", "silence", silence, isPatient=True),
    _client("C1", "responses that are no handshake", handshakes),
    _client("C2", "headers without an end", endlessHead),
    _client("C2", "a refusal without an end", endlessBody),
    _client("C2", "a refusal without an end, read as it arrives", endlessStream),
    _client("C4", "a frame behind the response", early),
    _client("C5", "frames that break a rule", brokenFrames),
    _client("C8", "windows that nobody offered", windows),
    _client("D4", "a redirect to another port, and to another scheme", redirects),
    _client("D4", "redirects without an end", endlessRedirects),
    _client("D4", "a redirect from wss: to ws:", downgrade, ("tls",)),
    _client("D5", "certificates that prove nothing", certificates, ("tls",)),
    _client("D6", "100,000 masks to learn from", masks),
)
