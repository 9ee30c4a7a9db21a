# Part of txwebsocket. See LICENSE for details.
"""
Targets that read opening handshakes: a server's, a client's and those with proxies.
"""

import re
from collections.abc import Callable

from tests.support.memory import KEY, Served
from tests.support.serving import Echo, serverOf
from tests.tools.fuzz.source import (
    Source,
    check,
    checkRoom,
    isWeighed,
    outcome,
    pieces,
    uncomplaining,
)
from txwebsocket import ServerConfig
from txwebsocket.client.redirects import REDIRECTS, RedirectableRequest
from txwebsocket.client.url import parseURL
from txwebsocket.handshake.httpconnect import ConnectDialogue, ProxyHandshake
from txwebsocket.handshake.opening import (
    ClientHandshake,
    checkProtocols,
    formatAcceptResponse,
    readRequest,
)
from txwebsocket.handshake.response import (
    MAX_BODY_SIZE,
    MAX_HEAD_SIZE,
    BodyReader,
    ResponseHead,
    ResponseReader,
)
from txwebsocket.handshake.socks5 import SocksDialogue
from txwebsocket.wire.deflate import Deflate
from txwebsocket.wire.errors import BadResponse, UpgradeRefused

_TARGETS = ("ws://h/", "wss://example.com:8443/chat?x=1", "ws://[::1]/", "ws+unix:/s:/")
_DATE = re.compile(rb"Date: [^\r]*\r\n")


# -- a server --------------------------------------------------------------------------


def readOffer(data: bytes) -> None:
    """
    The lines of a request, with any bytes in them: it is an offer, or refused with a
    status that HTTP has for that.
    """
    start, version, *lines = [*data.split(b"\n"), b"", b""]
    method, _, target = start.partition(b" ")
    headers = [tuple(line.partition(b":")[::2]) for line in lines if line]
    try:
        offer = readRequest(
            method or b"GET", target or b"/", version or b"HTTP/1.1", headers
        )
    except UpgradeRefused as error:
        check(error.status in (400, 403, 405, 426), error.status)
        check(error.explanation.isprintable(), error)
        return
    check(offer.version in (13, 8), offer)
    checkProtocols(offer.protocols)
    protocol = offer.protocols[0] if offer.protocols else None
    answer = formatAcceptResponse(offer, protocol, extensions=offer.extensions)
    head = ResponseReader().feed(answer)
    check(head is not None and head.status == 101, answer)


_SERVED = Served(
    Echo,
    ServerConfig(
        maxReceivedMessageSize=1000,
        subprotocols=("chat", "v2"),
        trustedProxies=("192.168.0.0/16", "127.0.0.1"),
        extensions=(Deflate(),),
    ),
)


def serve(data: bytes) -> None:
    """
    Any bytes to a site: it answers with what HTTP has, never with a fault of its own,
    the same however they are cut, and keeps nothing of who has left.
    """
    source = Source(data)
    seed, stream = source.number(), source.rest()
    expected = _answer([stream])
    found = _answer(pieces(stream, seed))
    check(found == expected, "not the same", expected, found)
    status = expected[9:12]
    if expected:
        check(expected.startswith(b"HTTP/1."), expected)
        check(status < b"500" or status in (b"501", b"505"), expected)


def _answer(chunks: list[bytes]) -> bytes:
    peer = _SERVED.connect()
    with uncomplaining():
        for chunk in chunks:
            peer.send(chunk)
        peer.vanish()
        peer.turn()
    server = serverOf(_SERVED)
    check(not server.connections, "a connection is left", server.connections)
    calls = _SERVED.clock.getDelayedCalls()
    check(not calls, "a call is left", calls)
    return _DATE.sub(b"", bytes(peer.transport.sent))


# -- a client --------------------------------------------------------------------------


def readAnswer(data: bytes) -> None:
    """
    Any bytes in answer to a handshake: a connection, a refusal, a redirect or an error,
    the same however they are cut, and not more of it kept than there may be.
    """
    source = Source(data)
    choices, seed = source.number(), source.number()
    target = parseURL(_TARGETS[choices & 3])
    handshake = ClientHandshake(
        host=target.netloc,
        target=target.resource,
        key=KEY,
        version=8 if choices & 4 else 13,
        protocols=("chat", "v2") if choices & 8 else (),
        extensions=(Deflate(),) if choices & 16 else (),
        headers=(("User-Agent", "x"), ("Authorization", "y")),
    )
    hop = RedirectableRequest(target, handshake)
    stream = source.rest()
    if choices & 32:
        # Long enough to meet the limits.
        stream *= 1 + (MAX_HEAD_SIZE >> (choices >> 6)) // (len(stream) or 1)
    expected = _AnswerReader(hop).read([stream])
    found = _AnswerReader(hop).read(pieces(stream, seed))
    check(found == expected, "not the same", expected, found)
    if isWeighed(data):
        chunks = list(pieces(stream, seed))
        checkRoom(lambda: _AnswerReader(hop).read(chunks), 8 * len(stream))


class _AnswerReader:
    """
    What a client makes of an answer.
    """

    def __init__(self, hop: RedirectableRequest) -> None:
        self._hop = hop
        self._reader = ResponseReader()
        self._head: ResponseHead | None = None
        self._body: BodyReader | None = None

    def read(self, chunks: list[bytes]) -> object:
        """
        Read all of it.
        """
        try:
            return self._readAll(chunks)
        except BadResponse as error:
            # How much of the fault its text shows depends on what has arrived.
            check(str(error), "an error without a word")
            return BadResponse

    def _readAll(self, chunks: list[bytes]) -> object:
        rest = b""
        for chunk in chunks:
            if self._body is not None:
                self._body.feed(chunk)
            elif self._head is not None:
                rest += chunk
            elif (head := self._reader.feed(chunk)) is not None:
                rest += self._begin(head)
        body = b"" if self._body is None else self._body.body
        check(len(body) <= MAX_BODY_SIZE, "too much of a body", len(body))
        return self._head, self._judge(), body, rest

    def _begin(self, head: ResponseHead) -> bytes:
        self._head = head
        rest = self._reader.takeRemaining()
        if head.status == 101:
            return rest
        self._body = BodyReader(head)
        self._body.feed(rest)
        return b""

    def _judge(self) -> object:
        head = self._head
        if head is None:
            return None
        if head.status in REDIRECTS:
            return outcome(lambda: self._follow(head), ValueError)
        if head.status != 101:
            return head.status
        protocol, agreed = self._hop.handshake.agree(head)
        return protocol, [agreement.extension for agreement in agreed]

    def _follow(self, head: ResponseHead) -> object:
        """
        Where a redirect leads, and what is told there.
        """
        before, after = self._hop, self._hop.after(head)
        there, here = after.target, before.target
        check(there.isSecure or not here.isSecure, "it is not secure", there)
        request = after.handshake.request()
        check(request.count(b"\r\n\r\n") == 1 and request.isascii(), request)
        isElsewhere = (there.host, there.port) != (here.host, here.port)
        if isElsewhere:
            check(b"Authorization" not in request, "a secret is told", request)
        return there


# -- a proxy ---------------------------------------------------------------------------


def askProxy(data: bytes) -> None:
    """
    Any bytes from a proxy: it leads on, refuses or fails, the same however they are
    cut, and nothing of what follows is lost.
    """
    source = Source(data)
    choices, seed = source.number(), source.number()
    kind: Callable[..., ProxyHandshake] = (
        SocksDialogue if choices & 1 else ConnectDialogue
    )
    host = ("example.com", "127.0.0.1", "::1", "a.b")[choices >> 1 & 3]
    credentials = ("user", "päss") if choices & 8 else None
    stream = source.rest()
    expected = _ask(kind(host, 443, credentials), [stream])
    found = _ask(kind(host, 443, credentials), pieces(stream, seed))
    check(found == expected, "not the same", expected, found)


def _ask(dialogue: ProxyHandshake, chunks: list[bytes]) -> object:
    said = dialogue.initialRequest()
    rest = b""
    try:
        for chunk in chunks:
            if dialogue.isComplete:
                rest += chunk
            else:
                said += dialogue.feed(chunk)
    except BadResponse as error:
        check(str(error), "an error without a word")
        return BadResponse
    check(dialogue.isComplete or not rest)
    if dialogue.refusal is not None:
        return said, dialogue.isComplete, dialogue.refusal
    return said, dialogue.isComplete, dialogue.takeRemaining() + rest
