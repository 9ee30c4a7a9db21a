# Part of txwebsocket. See LICENSE for details.
"""
Tests of compression on connections: from the opening handshake on, in both roles.

The peer compresses with :class:`Deflater` and :class:`Inflater`, which know nothing of
the code under test.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.support.memory import Peer, Recorder, Served, handshake, oneTurn, pong
from tests.support.remote import ClientReactor, Outcome
from tests.support.splits import everySplit
from tests.tools.attacks.wire import emptyBlocks
from tests.wire.test_deflate import (
    ACCEPTED,
    ANSWERS,
    CLIENT_BITS,
    CLIENT_FRESH,
    ILLEGAL,
    LIMITS,
    MIB,
    MISFITS,
    NAME,
    SERVER_BITS,
    SERVER_FRESH,
    SEVERAL,
    TAIL,
    Deflater,
    Inflater,
    digits,
    farReaching,
    noise,
)
from tests.wire.test_extensions import RSV1, RSV2, RSV3, Brackets, Changer, Counted
from txwebsocket import (
    ClientConfig,
    Deflate,
    OpeningFailed,
    ServerConfig,
    State,
    WebSocketClient,
    WebSocketConnection,
    WebSocketRequest,
    WebSocketResource,
)
from txwebsocket.server.site import WebSocketSite
from txwebsocket.standalone.pages import RootResource
from txwebsocket.standalone.tap import Options
from txwebsocket.wire.codes import Opcode, Role
from txwebsocket.wire.frames import Frame
from txwebsocket.wire.inflate import END_WORK, MAX_ENDS
from txwebsocket.wire.messages import WORK_PER_TURN

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = Opcode
HEADER = "Sec-WebSocket-Extensions"
ROOT = Path(__file__).resolve().parents[2]

WILLING = Deflate(serverMaxWindowBits=15, clientMaxWindowBits=15, minSize=0)
"""
Settings that agree to whatever the peer wants.
"""


class Terms(NamedTuple):
    """
    What is agreed on, as our end sees it.
    """

    ownBits: int = 15
    isOwnFresh: bool = False
    peerBits: int = 15
    isPeerFresh: bool = False

    def header(self, role: Role) -> str:
        """
        What the peer says for that, when we have this role.
        """
        own = (self.ownBits, self.isOwnFresh)
        peer = (self.peerBits, self.isPeerFresh)
        server, client = (own, peer) if role is Role.SERVER else (peer, own)
        parts = [NAME]
        for bits, name in ((server[0], SERVER_BITS), (client[0], CLIENT_BITS)):
            if bits < 15:
                parts.append(f"{name}={bits}")
        parts += [SERVER_FRESH] * server[1] + [CLIENT_FRESH] * client[1]
        return "; ".join(parts)


class Both(NamedTuple):
    """
    Our end of a connection, and the other one.

    :ivar deflate: how the peer compresses.
    :ivar inflate: how it reads.
    """

    connection: WebSocketConnection
    peer: Peer
    deflate: Deflater
    inflate: Inflater

    def frame(self, opcode: int, message: bytes, **options: Any) -> bytes:
        """
        A compressed message of the peer's.
        """
        return self.peer.frame(opcode, self.deflate(message), rsv=RSV1, **options)

    def fragments(self, opcode: int, message: bytes, parts: int) -> bytes:
        """
        The same in about so many frames.
        """
        payload = self.deflate(message)
        step = -(-len(payload) // parts)
        frame = self.peer.frame
        starts = range(step, len(payload), step)
        return frame(opcode, payload[:step], not starts, RSV1) + b"".join(
            frame(CONTINUATION, payload[start : start + step], start == starts[-1])
            for start in starts
        )

    def read(self) -> list[tuple[int, bytes]]:
        """
        The messages that the peer reads, each in one frame, compressed or not.
        """
        return [
            (opcode, self.inflate(payload) if rsv == RSV1 else payload)
            for opcode, payload, _, rsv in self.peer.frames()
        ]


def openServer(
    header: str, application: object | None = None, **options: Any
) -> tuple[WebSocketConnection, Peer]:
    """
    A connection of a server whose client has offered this.
    """
    accepted = []

    def accept(request: WebSocketRequest) -> None:
        accepted.append(request.accept(application=application))

    site = Served(accept, ServerConfig(**options))
    peer = site.upgrade(*[f"{HEADER}: {header}"] if header else [])
    return accepted[0], peer


def openClient(
    header: str, application: object | None = None, **options: Any
) -> tuple[WebSocketConnection, Peer]:
    """
    A connection of a client whose server has answered this.
    """
    reactor = ClientReactor()
    client = WebSocketClient(reactor, ClientConfig(**options))
    outcome = Outcome(client.connect("ws://example.com/", application=application))
    server = reactor.accept()
    server.upgrade(*[f"{HEADER}: {header}"] if header else [])
    return outcome.results[0], server


OPEN: dict[Role, Callable[..., tuple[WebSocketConnection, Peer]]] = {
    Role.SERVER: openServer,
    Role.CLIENT: openClient,
}


def start(
    role: Role,
    application: object | None = None,
    terms: Terms | None = None,
    **options: Any,
) -> Both:
    """
    An open connection that has agreed on these terms.
    """
    terms = Terms() if terms is None else terms
    options.setdefault("extensions", [WILLING])
    connection, peer = OPEN[role](terms.header(role), application, **options)
    # With 9 bits zlib looks back as far as 250 bytes: that fits in 8.
    deflater = Deflater(max(terms.peerBits, 9), terms.isPeerFresh, level=9)
    inflater = Inflater(terms.ownBits, terms.isOwnFresh)
    return Both(connection, peer, deflater, inflater)


class Echo(Recorder):
    """
    Sends back what it is told.
    """

    def textMessageReceived(self, message: str) -> None:
        """
        Send it back.
        """
        super().textMessageReceived(message)
        self.connection.send(message)

    def bytesMessageReceived(self, data: bytes) -> None:
        """
        Send it back.
        """
        super().bytesMessageReceived(data)
        self.connection.send(data)


class ServerNegotiationTests(SynchronousTestCase):
    """
    Tests of what a server agrees to in its handshake.
    """

    def answer(self, *offers: str, **options: Any) -> list[str]:
        """
        What such a server answers to a client that offers this.
        """
        site = Served(lambda request: request.accept(), ServerConfig(**options))
        peer = site.request(*(f"{HEADER}: {offer}" for offer in offers))
        response = peer.response()
        self.assertEqual(response.status, 101)
        return response.header(HEADER)

    def test_offByDefault(self) -> None:
        """
        A server that was not told to compress does not, whoever offers it.
        """
        for offer in (NAME, f"{NAME}; {CLIENT_BITS}", f"{NAME}, x-other"):
            self.assertEqual(self.answer(offer), [])

    def test_notOffered(self) -> None:
        """
        Who offers nothing of the kind is served without.
        """
        self.assertEqual(self.answer(extensions=[Deflate()]), [])
        self.assertEqual(self.answer("x-other; a=1", extensions=[Deflate()]), [])

    def test_accepted(self) -> None:
        """
        The answer says what was agreed on, and so does the connection.
        """
        for offer, options, answer in ACCEPTED:
            offered = f"{NAME}; {offer}".removesuffix("; ")
            answered = f"{NAME}; {answer}".removesuffix("; ")
            deflate = Deflate(**options)
            self.assertEqual(self.answer(offered, extensions=[deflate]), [answered])
            connection, _ = openServer(offered, extensions=[deflate])
            self.assertEqual(connection.extensions, answered)

    def test_declined(self) -> None:
        """
        Whoever offers what is against the rules gets its WebSocket, uncompressed.
        """
        for offer in (*ILLEGAL, f"{SERVER_BITS}=8"):
            given = {"extensions": [Deflate()]}
            self.assertEqual(self.answer(f"{NAME}; {offer}", **given), [], offer)
            connection, peer = openServer(f"{NAME}; {offer}", **given)
            self.assertEqual(connection.extensions, "")
            connection.send("a" * 1000)
            self.assertEqual(peer.frames(), [Frame(TEXT, b"a" * 1000)])

    def test_several(self) -> None:
        """
        Of several forms the first that is acceptable is, be they in one line or in
        several.
        """
        for offers, answer in SEVERAL:
            expected = [answer] if answer else []
            for lines in ([offers], offers.split(", ")):
                found = self.answer(*lines, extensions=[Deflate()])
                self.assertEqual(found, expected, offers)

    def test_unreadable(self) -> None:
        """
        A header that can't be read is answered 400, as it says what nobody knows.
        """
        for offer in (f'{NAME}; {SERVER_BITS}="', f"{NAME};", f'{NAME}; a="1 0"', "="):
            site = Served(lambda _: None, ServerConfig(extensions=[Deflate()]))
            peer = site.request(f"{HEADER}: {offer}")
            self.assertEqual(peer.response().status, 400, offer)

    def test_requestedExtensions(self) -> None:
        """
        What the client offers is agreed on even if the application is not to see it.
        """
        options = {"parseExtensions": False, "extensions": [WILLING]}
        self.assertEqual(self.answer(NAME, **options), [NAME])

    def test_twistd(self) -> None:
        """
        ``twistd websocket`` agrees with ``--compress``, and to nothing without.
        """
        for arguments, agreed in (
            ([], []),
            (["--compress"], [f"{NAME}; {SERVER_BITS}=12; {CLIENT_BITS}=12"]),
        ):
            options = Options()
            options.parseOptions(arguments)
            clock = Clock()
            root = RootResource(
                options["application"], options["config"], options["static"]
            )
            site = WebSocketSite(root)
            site.reactor = clock
            served = Served(root, site=site, clock=clock)
            peer = served.request(f"{HEADER}: {NAME}; {CLIENT_BITS}")
            self.assertEqual(peer.response().header(HEADER), agreed)
            peer.sendText("a" * 1000)
            [echo] = peer.frames()
            self.assertEqual(len(echo.payload) < 100, bool(agreed))
            if agreed:
                self.assertEqual(Inflater(12)(echo.payload), b"a" * 1000)


class ClientNegotiationTests(SynchronousTestCase):
    """
    Tests of what a client offers in its handshake, and of what it makes of the answer.
    """

    def answered(self, *answers: str, **options: Any) -> tuple[Any, list[str]]:
        """
        What comes of an attempt to connect that is answered this; and what was offered.
        """
        reactor = ClientReactor()
        client = WebSocketClient(reactor, ClientConfig(**options))
        outcome = Outcome(client.connect("ws://example.com/"))
        server = reactor.accept()
        server.upgrade(*(f"{HEADER}: {answer}" for answer in answers))
        [result] = outcome.results
        return result, server.asked.header(HEADER)

    def test_offByDefault(self) -> None:
        """
        A client that was not told to compress does not offer it, and is not to be
        answered so.
        """
        connection, offers = self.answered()
        self.assertEqual(offers, [])
        self.assertEqual(connection.extensions, "")
        failure, _ = self.answered(NAME)
        self.assertIs(failure.type, OpeningFailed)

    def test_declined(self) -> None:
        """
        A server that does not answer to the offer is talked to without.
        """
        connection, offers = self.answered(extensions=[Deflate()])
        limited = f"{NAME}; {CLIENT_BITS}=12; {SERVER_BITS}=12"
        self.assertEqual(offers, [f"{limited}, {NAME}; {CLIENT_BITS}"])
        self.assertEqual(connection.extensions, "")
        self.assertTrue(connection.connected)

    def test_agreed(self) -> None:
        """
        What the server answers within the offer is agreed on.
        """
        for options, answer in ANSWERS:
            answered = f"{NAME}; {answer}".removesuffix("; ")
            connection, _ = self.answered(answered, extensions=[Deflate(**options)])
            self.assertTrue(connection.connected, answer)
            self.assertEqual(connection.extensions, answered.replace('"', ""))

    def test_refused(self) -> None:
        """
        An answer that breaks a rule fails the opening, naming the extension.
        """
        refused = [(options, [f"{NAME}; {answer}"]) for options, answer in MISFITS]
        refused += [({}, [NAME, NAME]), ({}, [f"{NAME}, x-other"]), ({}, ["x-other"])]
        refused += [({}, [f"{NAME};"]), ({}, [f'{NAME}; {SERVER_BITS}="'])]
        for options, answers in refused:
            lines = [answer.removesuffix("; ") for answer in answers]
            failure, _ = self.answered(*lines, extensions=[Deflate(**options)])
            self.assertIs(getattr(failure, "type", None), OpeningFailed, lines)
            self.assertIn("xtension", failure.getErrorMessage())


class CompressionTestCase(SynchronousTestCase):
    """
    What tests of either role need.
    """

    role: Role

    def assertClosed(self, both: Both, code: int) -> None:
        """
        Our end has closed with this code.
        """
        [close] = both.peer.frames()
        self.assertEqual(close.opcode, CLOSE)
        self.assertEqual(int.from_bytes(close.payload[:2], "big"), code)
        self.assertIs(both.connection.state, State.AWAITING_LOSS)


class CompressionTestsMixin:
    """
    What both roles promise.
    """

    role: Role

    def start(self, *args: Any, **options: Any) -> Both:
        """
        An open connection; see :func:`start`.
        """
        return start(self.role, *args, **options)

    def test_kept(self) -> None:
        """
        Whatever is agreed on is kept: a peer with just these windows, which compresses
        and inflates each message by itself where that was agreed on, reads all that we
        send, and we read all that it sends.
        """
        text = farReaching(1 << 11).hex()[: 1 << 11]
        data = farReaching(5 << 10)
        for ownBits, isOwnFresh, peerBits, isPeerFresh in product(
            (9, 12, 15), (False, True), (8, 9, 12, 15), (False, True)
        ):
            terms = Terms(ownBits, isOwnFresh, peerBits, isPeerFresh)
            both = self.start(Echo(), terms)
            for _ in range(2):
                both.peer.send(both.frame(TEXT, text.encode()))
                both.peer.send(both.frame(BINARY, data))
                frames = both.peer.frames()
                self.assertEqual([frame.rsv for frame in frames], [RSV1] * 2, terms)
                read = [both.inflate(frame.payload) for frame in frames]
                self.assertEqual(read, [text.encode(), data], terms)

    def test_smaller(self) -> None:
        """
        Compressed messages are smaller on the way in both directions, and with context
        takeover the same message is next to nothing the second time.
        """
        message = digits(2000).decode()
        for isFresh in (False, True):
            both = self.start(Echo(), Terms(isOwnFresh=isFresh, isPeerFresh=isFresh))
            passed = []
            for _ in range(2):
                both.peer.send(both.frame(TEXT, message.encode()))
                self.assertEqual(both.read(), [(TEXT, message.encode())])
                passed.append(both.connection.traffic[2:4])
            (received, sent), (receivedAll, sentAll) = passed
            for first, second in ((received, receivedAll), (sent, sentAll)):
                self.assertLess(first, 1300)
                self.assertEqual(second - first < 100, not isFresh)

    def test_perMessage(self) -> None:
        """
        Each message can be sent uncompressed, by all the ways to send; what is sent
        before and after is read all the same.
        """
        both = self.start()
        send = both.connection
        secret = digits(200)
        text = secret.decode()
        for _ in range(2):
            send.send(text)
            send.send(text, compress=False)
            send.send(secret, compress=False)
            send.sendUTF(text, compress=False)
            send.sendBytes(secret, compress=False)
            send.sendTextMessage(text, compress=False)
            send.sendBytesMessage(secret, compress=False)
            send.send(secret)
            first, *plain, last = both.peer.frames()
            opcodes = (TEXT, BINARY) * 3
            self.assertEqual(plain, [Frame(opcode, secret) for opcode in opcodes])
            self.assertEqual((first.opcode, first.rsv), (TEXT, RSV1))
            self.assertEqual(both.inflate(first.payload), secret)
            self.assertEqual((last.opcode, last.rsv), (BINARY, RSV1))
            self.assertEqual(both.inflate(last.payload), secret)

    def test_minSize(self) -> None:
        """
        Small messages are sent as they are.
        """
        both = self.start(extensions=[Deflate(minSize=10)], terms=Terms(12, False, 12))
        for size in (0, 9, 10):
            both.connection.send("a" * size)
            [frame] = both.peer.frames()
            self.assertEqual(frame.rsv, RSV1 if size == 10 else 0)
            self.assertEqual(frame.payload == b"a" * size, size < 10)

    def test_empty(self) -> None:
        """
        Empty messages are messages, compressed or not.
        """
        application = Echo()
        both = self.start(application)
        for opcode in (TEXT, BINARY) * 2:
            both.peer.send(both.frame(opcode, b"") + both.peer.frame(opcode))
            self.assertEqual(both.peer.frames(), [Frame(opcode, b"\x00", rsv=RSV1)] * 2)
        self.assertEqual(application.messages, ["", "", b"", b""] * 2)

    def test_mixed(self) -> None:
        """
        Compressed and plain messages arrive in any order.
        """
        application = Recorder()
        both = self.start(application)
        for _ in range(3):
            both.peer.send(
                both.frame(TEXT, b"compressed text")
                + both.peer.text("plain text")
                + both.peer.binary(b"plain bytes")
                + both.frame(BINARY, b"compressed bytes")
            )
        expected = ["compressed text", "plain text", b"plain bytes"]
        self.assertEqual(application.messages, [*expected, b"compressed bytes"] * 3)

    def test_fragmentsReceived(self) -> None:
        """
        A compressed message may come in fragments, cut anywhere, with pings between.
        """
        application = Recorder()
        both = self.start(application)
        message = digits(60)
        size = len(Deflater(15)(message))
        both.peer.send(both.frame(BINARY, b""))
        for parts in range(1, size + 2):
            both.peer.send(both.fragments(BINARY, message, parts))
        payload = both.deflate(message)
        frame = both.peer.frame
        both.peer.send(frame(BINARY, b"", fin=False, rsv=RSV1) + frame(PING, b"1"))
        for octet in payload:
            both.peer.send(frame(CONTINUATION, bytes([octet]), fin=False))
            both.peer.send(frame(PING, b"2"))
        both.peer.send(frame(CONTINUATION))
        self.assertEqual(both.peer.frames(), [pong(b"1"), *[pong(b"2")] * len(payload)])
        self.assertEqual(application.messages[0], b"")
        self.assertEqual(application.messages[1:], [message] * (size + 2))

    def test_fragmentsSent(self) -> None:
        """
        A message that is sent in fragments is compressed first, and only its first
        frame is marked.
        """
        options = {"fragmentOutgoingMessages": True, "fragmentationThreshold": 100}
        both = self.start(**options)
        for _ in range(2):
            message = digits(5000)
            both.connection.send(message)
            both.connection.ping(b"between")
            first, *others, ping = both.peer.frames()
            self.assertEqual((first.opcode, first.rsv), (BINARY, RSV1))
            for frame in others:
                self.assertEqual((frame.opcode, frame.rsv), (CONTINUATION, 0))
            payload = b"".join(frame.payload for frame in (first, *others))
            self.assertEqual(both.inflate(payload), message)
            self.assertEqual(ping, Frame(PING, b"between"))

    def test_anySplit(self) -> None:
        """
        What arrives does not depend on how the network cut it.
        """
        told = []
        make = self.start()
        stream = (
            make.frame(TEXT, "ü€".encode())
            + make.peer.frame(PING, b"?")
            + make.fragments(BINARY, b"hello hello", 3)
            + make.peer.text("plain")
        )
        for chunks in everySplit(stream):
            application = Recorder()
            both = self.start(application)
            for chunk in chunks:
                both.peer.arrive(chunk)
            told.append(application.told)
        expected = [("text", "ü€"), ("ping", b"?")]
        expected += [("bytes", b"hello hello"), ("text", "plain")]
        self.assertEqual(told[0][2:], expected)
        self.assertEqual([each for each in told if each != told[0]], [])

    def test_early(self) -> None:
        """
        What comes in the same segment as the handshake may be compressed already.
        """
        first = Frame(TEXT, Deflater(15)(b"early"), rsv=RSV1)
        application = Recorder()
        self.openEarly(first, application).turn()
        self.assertEqual(application.messages, ["early"])

    # What is against the rules

    def test_bits(self) -> None:
        """
        A bit that was not agreed on, or stands where it can't, ends the connection with
        1002, and nothing is delivered.
        """
        hello = Deflater(15)(b"hello")
        for isCompressed, frames in (
            (False, [(TEXT, hello, True, RSV1)]),
            (False, [(BINARY, hello, False, RSV1)]),
            (True, [(TEXT, hello, True, RSV2)]),
            (True, [(TEXT, hello, True, RSV3)]),
            (True, [(TEXT, hello, True, RSV1 | RSV2)]),
            (True, [(TEXT, hello[:3], False, RSV1), (CONTINUATION, hello, True, RSV1)]),
            (True, [(TEXT, b"hel", False, 0), (CONTINUATION, b"lo", True, RSV1)]),
            (True, [(PING, b"", True, RSV1)]),
            (True, [(PONG, b"", True, RSV1)]),
            (True, [(CLOSE, b"", True, RSV1)]),
        ):
            application = Recorder()
            given = {} if isCompressed else {"extensions": []}
            connection, peer = OPEN[self.role](
                Terms().header(self.role) if isCompressed else "",
                application,
                **{"extensions": [WILLING], **given},
            )
            peer.send(b"".join(peer.frame(*frame) for frame in frames))
            both = Both(connection, peer, Deflater(15), Inflater(15))
            self.assertClosed(both, 1002)
            self.assertEqual(application.messages, [])

    def test_corrupt(self) -> None:
        """
        What is no compressed data, or no text after all, ends the connection with 1007
        and tells the application nothing but that.
        """
        good = Deflater(15)(b"good" * 100)
        for opcode, payload in (
            (BINARY, b"\xff" * 10),
            (TEXT, b"\x07"),
            (BINARY, good + TAIL + b"\xff"),
            # It refers to what was not there.
            (BINARY, Deflater(15, zdict=b"good" * 100)(b"good" * 100)),
            (TEXT, Deflater(15)(b"\xff")),
            (TEXT, Deflater(15)("€".encode()[:2])),
            (TEXT, Deflater(15)(b"\xed\xa0\x80")),
        ):
            for isFresh in (False, True):
                application = Recorder()
                both = self.start(application, Terms(isPeerFresh=isFresh))
                both.peer.send(both.peer.frame(opcode, payload, rsv=RSV1))
                self.assertClosed(both, 1007)
                self.assertEqual(application.messages, [])
                both.peer.send(both.peer.close(1007))
                both.peer.end()
                self.assertEqual(application.report.sentCode, 1007)
                self.assertEqual(application.told[-1], "lost")

    def test_lastBlock(self) -> None:
        """
        A message whose compressed data says that it ends is read, and so is the next
        (RFC 7692, 7.2.3.4).
        """
        application = Recorder()
        both = self.start(application)
        ended = bytes.fromhex("f3 48 cd c9 c9 07 00 00")
        frame = both.peer.frame(TEXT, ended, rsv=RSV1)
        both.peer.send(frame * 2 + both.frame(TEXT, b"and on"))
        self.assertEqual(application.messages, ["Hello", "Hello", "and on"])

    # Limits

    def test_limits(self) -> None:
        """
        A message may become just as large as the limit, compressible or not, in one
        frame or in several; what becomes larger ends the connection with 1009.
        """
        for limit in LIMITS:
            for message in (bytes(limit + 1), noise(limit + 1)):
                for parts, isFresh in ((1, False), (64, True)):
                    application = Recorder()
                    both = self.start(
                        application,
                        Terms(isPeerFresh=isFresh),
                        maxReceivedMessageSize=limit,
                    )
                    exact = message[:-1]
                    both.peer.send(both.fragments(BINARY, exact, parts))
                    self.assertEqual(application.messages, [exact])
                    both.peer.send(both.fragments(BINARY, message, parts))
                    self.assertClosed(both, 1009)
                    self.assertEqual(application.messages, [exact])

    def test_plainLimit(self) -> None:
        """
        The limit is the same for messages that are not compressed.
        """
        for limit in LIMITS:
            application = Recorder()
            both = self.start(application, maxReceivedMessageSize=limit)
            both.peer.sendBytes(bytes(limit))
            self.assertEqual(application.messages, [bytes(limit)])
            both.peer.sendBytes(bytes(limit + 1))
            self.assertClosed(both, 1009)

    def test_reason(self) -> None:
        """
        The report and the peer are told which limit it was.
        """
        application = Recorder()
        both = self.start(application, maxReceivedMessageSize=1000)
        both.peer.send(both.frame(BINARY, bytes(1001)))
        [close] = both.peer.frames()
        reason = "message larger than 1000 bytes (maxReceivedMessageSize)"
        self.assertEqual(close.payload[2:].decode(), reason)
        both.peer.end()
        self.assertEqual(application.report.detail, reason)

    # Work

    def test_turns(self) -> None:
        """
        A read full of small messages that become large is dealt with in several turns
        of the reactor, between which the peer is not read from. All messages come, in
        their order.
        """
        application = Recorder()
        both = self.start(application, Terms(isPeerFresh=True))
        sent = [bytes([number]) * MIB for number in range(30)]
        stream = b"".join(both.frame(BINARY, each) for each in sent)
        both.peer.arrive(stream + both.frame(TEXT, b"last"))
        counts = [len(application.messages)]
        while len(application.messages) <= len(sent):
            self.assertFalse(both.peer.transport.isReading)
            oneTurn(both.peer.clock)
            counts.append(len(application.messages))
        both.peer.turn()
        steps = [after - before for before, after in pairwise(counts)]
        self.assertLessEqual(max(counts[0], *steps), 2)
        self.assertEqual(application.messages, [*sent, "last"])
        self.assertTrue(both.peer.transport.isReading)
        self.assertEqual(both.connection.traffic.messagesReceived, 31)

    def test_ends(self) -> None:
        """
        So is one full of messages whose data ends again and again.
        """
        application = Recorder()
        both = self.start(application)
        one = both.peer.frame(BINARY, b"\x03\x00" * MAX_ENDS, rsv=RSV1)
        both.peer.arrive(one * 1000)
        counts = [len(application.messages)]
        while counts[-1] < 1000:
            oneTurn(both.peer.clock)
            counts.append(len(application.messages))
        most = WORK_PER_TURN // (MAX_ENDS * END_WORK) + 1
        steps = [after - before for before, after in pairwise(counts)]
        self.assertLessEqual(max(counts[0], *steps), most)

    def test_emptyBlocks(self) -> None:
        """
        So is a message whose data describes codes all the time and makes nothing, and
        a read full of such messages.
        """
        application = Recorder()
        both = self.start(application)
        for size, count in ((MIB, 1), (32 * 1024, 30)):
            one = both.peer.frame(BINARY, emptyBlocks(size), rsv=RSV1)
            before, turns = len(application.messages), 0
            both.peer.arrive(one * count)
            while len(application.messages) < before + count:
                oneTurn(both.peer.clock)
                turns += 1
            self.assertGreaterEqual(turns, 7)
        self.assertEqual(application.messages, [b""] * 31)

    def test_tinyInTurns(self) -> None:
        """
        So is a read full of messages that are empty.
        """
        application = Recorder()
        both = self.start(application)
        both.peer.arrive(both.peer.frame(BINARY, b"\0", rsv=RSV1) * 9000)
        turns = 0
        while len(application.messages) < 9000:
            oneTurn(both.peer.clock)
            turns += 1
        self.assertGreaterEqual(turns, 4)

    def test_largeInTurns(self) -> None:
        """
        A single message that becomes very large is inflated in several turns. What
        comes behind it waits, and what others send does not.
        """
        application = Recorder()
        both = self.start(application, maxReceivedMessageSize=64 * MIB)
        large = both.frame(TEXT, b"a" * (20 * MIB))
        ping = both.peer.frame(PING, b"?")
        both.peer.arrive(large + both.frame(TEXT, b"behind") + ping)
        turns = 0
        while not application.messages:
            oneTurn(both.peer.clock)
            turns += 1
        self.assertGreaterEqual(turns, 19)
        both.peer.turn()
        self.assertEqual(application.messages, ["a" * (20 * MIB), "behind"])
        self.assertEqual(both.peer.frames(), [Frame(PONG, b"?")])
        self.assertEqual(both.connection.traffic.messagesReceived, 2)
        both.peer.send(both.frame(TEXT, b"and on"))
        self.assertEqual(application.messages[-1], "and on")

    def test_queuedInTurns(self) -> None:
        """
        Messages that were queued behind a hook are inflated in turns as well, a large
        one in several.
        """
        waiting: Deferred[None] = Deferred()

        class Slow(Recorder):
            def textMessageReceived(self, message: str) -> Any:
                super().textMessageReceived(message)
                return waiting if message == "first" else None

        application = Slow()
        both = self.start(application, maxReceivedMessageSize=64 * MIB)
        sent = ["first", "a" * (5 * MIB), *["b" * MIB] * 3, "last"]
        both.peer.arrive(b"".join(both.frame(TEXT, each.encode()) for each in sent))
        both.peer.turn()
        self.assertEqual(application.messages, sent[:1])
        waiting.callback(None)
        counts = [len(application.messages)]
        for _ in range(30):
            oneTurn(both.peer.clock)
            counts.append(len(application.messages))
        steps = [after - before for before, after in pairwise(counts)]
        self.assertLessEqual(max(steps), 2)
        self.assertEqual(counts[:4], [1] * 4)
        self.assertEqual(application.messages, sent)
        self.assertEqual(both.connection.traffic.messagesReceived, len(sent))

    def test_badInTurns(self) -> None:
        """
        What is wrong with such a message is found in the turn that comes to it.
        """
        whole = Deflater(15)(b"a" * (5 * MIB))
        text = Deflater(15)(b"a" * (5 * MIB) + b"\xff")
        for payload, limit, code in (
            (whole + TAIL + b"\xff" * 20, 8 * MIB, 1007),
            (text, 8 * MIB, 1007),
            (whole, 4 * MIB, 1009),
        ):
            application = Recorder()
            both = self.start(application, maxReceivedMessageSize=limit)
            good = both.frame(TEXT, b"good")
            bad = both.peer.frame(TEXT, payload, rsv=RSV1)
            both.peer.arrive(good + bad + both.peer.frame(TEXT, b"behind"))
            self.assertEqual(application.messages, ["good"])
            for _ in range(10):
                oneTurn(both.peer.clock)
            both.peer.turn()
            self.assertClosed(both, code)
            self.assertEqual(application.messages, ["good"])

    def test_closedBetweenTurns(self) -> None:
        """
        When the application closes between such turns, nothing more is inflated, and
        what is left counts as discarded.
        """
        counted = Counted(WILLING)
        application = Recorder()
        both = self.start(application, Terms(isPeerFresh=True), extensions=[counted])
        both.peer.arrive(both.frame(BINARY, bytes(MIB)) * 20)
        before = len(counted.decoded)
        both.connection.close(1000, "")
        both.peer.turn()
        [close] = both.peer.frames()
        both.peer.send(both.peer.frame(*close[:2]))
        both.peer.end()
        self.assertEqual(len(counted.decoded), before)
        self.assertEqual(len(application.messages), before)
        report = application.report
        self.assertTrue(report.wasClean)
        self.assertEqual(report.messagesDiscarded, 20 - before)

    def test_closedWithinMessage(self) -> None:
        """
        A message that is being inflated when the connection is closed, or is lost,
        counts as discarded, and keeps no memory.
        """
        for isLost in (False, True):
            application = Recorder()
            both = self.start(application, maxReceivedMessageSize=64 * MIB)
            behind = both.peer.frame(TEXT, b"behind")
            both.peer.arrive(both.frame(BINARY, bytes(20 * MIB)) + behind)
            if isLost:
                both.peer.vanish()
            else:
                both.connection.close(1000, "")
                both.peer.turn()
                both.peer.sendClose()
                both.peer.end()
            for _ in range(40):
                oneTurn(both.peer.clock)
            self.assertEqual(application.messages, [])
            self.assertEqual(application.report.messagesDiscarded, 2)
            self.assertEqual(both.peer.clock.getDelayedCalls(), [])

    def test_endedBetweenTurns(self) -> None:
        """
        Over TLS, which brings the end of a connection that is not read from, all that
        the peer had sent before is delivered before the end.
        """
        application = Recorder()
        both = self.start(application, Terms(isPeerFresh=True))
        both.peer.arrive(both.frame(BINARY, bytes(1000)) * 1500)
        before = len(application.messages)
        self.assertLess(before, 1100)
        both.peer.transport.lose(ConnectionDone())
        for _ in range(3):
            oneTurn(both.peer.clock)
        self.assertEqual(len(application.messages), 1500)
        self.assertEqual(application.told[-1], "lost")
        self.assertEqual(application.report.messagesDiscarded, 0)

    def test_pausedBetweenTurns(self) -> None:
        """
        An application that pauses between such turns is told nothing until it resumes.
        """
        application = Recorder()
        both = self.start(application, Terms(isPeerFresh=True))
        both.peer.arrive(both.frame(BINARY, bytes(MIB)) * 5)
        both.connection.pause()
        before = len(application.messages)
        both.peer.wait(1)
        self.assertEqual(len(application.messages), before)
        both.connection.resume()
        for _ in range(5):
            both.peer.wait(0)
        self.assertEqual(len(application.messages), 5)

    # One at a time

    def test_failed(self) -> None:
        """
        After a message that was refused nothing is inflated any more, be it here
        already or still to come.
        """
        for bad, code in ((b"\xff" * 9, 1007), (Deflater(15)(bytes(1001)), 1009)):
            counted = Counted(WILLING)
            both = self.start(
                Recorder(), extensions=[counted], maxReceivedMessageSize=1000
            )
            good = both.frame(BINARY, b"good")
            both.peer.send(good + both.peer.frame(BINARY, bad, rsv=RSV1) + good)
            self.assertClosed(both, code)
            self.assertEqual(len(counted.decoded), 2)
            both.peer.send(good)
            self.assertEqual(len(counted.decoded), 2)

    def test_paused(self) -> None:
        """
        While the application pauses, or is not done with a message, the next is not
        inflated, although it has arrived.
        """
        for isDeferred in (False, True):
            counted = Counted(WILLING)
            waiting: list[Deferred[None]] = []

            class Slow(Recorder):
                def bytesMessageReceived(
                    self,
                    data: bytes,
                    isDeferred: bool = isDeferred,
                    waiting: list[Deferred[None]] = waiting,
                ) -> Any:
                    waiting.append(Deferred())
                    if isDeferred:
                        return waiting[-1]
                    return self.connection.pause()

            terms = Terms(isPeerFresh=True)
            both = self.start(Slow(), terms, extensions=[counted])
            stream = both.frame(BINARY, bytes(MIB)) * 30
            self.assertLess(len(stream), 65536)
            both.peer.send(stream)
            for count in range(1, 31):
                self.assertEqual(len(counted.decoded), count)
                self.assertEqual(len(waiting), count)
                if isDeferred:
                    waiting[-1].callback(None)
                else:
                    both.connection.resume()
                both.peer.wait(0)
            self.assertEqual(len(counted.decoded), 30)

    def test_pulled(self) -> None:
        """
        In pull style no more is inflated than may wait: one message of the largest
        size, or sixteen small ones.
        """
        for size, most in ((100_000, 1), (1000, 16)):
            counted = Counted(WILLING)
            both = self.start(extensions=[counted], maxReceivedMessageSize=100_000)
            frames = [both.frame(BINARY, bytes([count]) * size) for count in range(40)]
            both.peer.send(b"".join(frames))
            for count in range(40):
                self.assertEqual(len(counted.decoded), min(count + most, 40))
                message = self.successResultOf(both.connection.receive())
                self.assertEqual(message, bytes([count]) * size)
                both.peer.wait(0)

    def test_dropped(self) -> None:
        """
        Once the application has given the connection up nothing is inflated.
        """
        counted = Counted(WILLING)

        class Fickle(Recorder):
            def bytesMessageReceived(self, data: bytes) -> None:
                self.connection.drop(skipCloseFrame=True)

        both = self.start(Fickle(), extensions=[counted])
        both.peer.send(b"".join(both.frame(BINARY, b"hello") for _ in range(9)))
        self.assertEqual(len(counted.decoded), 1)

    # Contexts

    def test_releaseAfter(self) -> None:
        """
        If asked for, a connection over which no message has passed for a time forgets
        what it has sent: what comes then can be read without that.
        """
        deflate = Deflate(
            serverMaxWindowBits=15,
            clientMaxWindowBits=15,
            minSize=0,
            releaseAfter=60,
        )
        message = digits(300)
        both = self.start(Recorder(), extensions=[deflate], keepalive=False)

        def sizeOfNext(inflater: Inflater = both.inflate) -> int:
            both.connection.send(message)
            [frame] = both.peer.frames()
            self.assertEqual(inflater(frame.payload), message)
            return len(frame.payload)

        for _ in range(2):
            self.assertGreater(sizeOfNext(), 150)
            for _ in range(3):
                both.peer.waitLong(50)
                both.peer.send(both.frame(BINARY, message))
            self.assertLess(sizeOfNext(), 30)
            for _ in range(3):
                both.peer.waitLong(50)
                self.assertLess(sizeOfNext(), 30)
            both.peer.waitLong(120)
        self.assertGreater(sizeOfNext(Inflater(15)), 150)
        both.connection.drop(skipCloseFrame=True)
        both.peer.turn()
        self.assertEqual(both.peer.clock.getDelayedCalls(), [])

    def test_pingsAreNoMessages(self) -> None:
        """
        Pings, ours and the peer's, don't keep what is kept for messages.
        """
        deflate = Deflate(
            serverMaxWindowBits=15, clientMaxWindowBits=15, releaseAfter=5
        )
        both = self.start(extensions=[deflate], keepaliveInterval=1)
        message = digits(300)
        both.connection.send(message)
        for _ in range(20):
            both.peer.wait(0.5)
            both.peer.ping()
            both.peer.pong()
        both.peer.frames()
        both.connection.send(message)
        [frame] = both.peer.frames()
        self.assertEqual(Inflater(15)(frame.payload), message)

    def test_keptByDefault(self) -> None:
        """
        If not asked for, nothing is forgotten, however long nothing passes, and there
        is no timer for it.
        """
        both = self.start(keepalive=False)
        self.assertEqual(both.peer.clock.getDelayedCalls(), [])
        message = digits(300)
        for isFirst in (True, False):
            both.connection.send(message)
            [frame] = both.peer.frames()
            self.assertEqual(len(frame.payload) < 30, not isFirst)
            both.peer.waitLong(10_000, 100)

    # Extensions of one's own

    def test_custom(self) -> None:
        """
        An extension that somebody else wrote is agreed on, marks its messages with its
        own bit, and needs nothing but itself.
        """
        both = self.startWith([Changer()], "x-reversal")
        both.peer.send(both.peer.frame(TEXT, "€1".encode()[::-1], rsv=RSV2))
        both.peer.sendText("plain")
        both.connection.send("abc")
        both.connection.send("abc", compress=False)
        found = both.peer.frames()
        expected = [
            Frame(TEXT, "€1".encode()[::-1], rsv=RSV2),
            Frame(TEXT, b"nialp", rsv=RSV2),
            Frame(TEXT, b"cba", rsv=RSV2),
            Frame(TEXT, b"abc"),
        ]
        self.assertEqual(found, expected)
        self.assertEqual(both.connection.extensions, "x-reversal")

    def test_together(self) -> None:
        """
        It works together with compression, in the order of the answer (RFC 6455, 9.1),
        fragments and all.
        """
        message = digits(500)
        for names, isReversedFirst in (
            (["x-reversal", NAME], True),
            ([NAME, "x-reversal"], False),
        ):
            known = {NAME: WILLING, "x-reversal": Changer()}
            ours = [known[name] for name in names]
            both = self.startWith(ours, ", ".join(names))
            self.assertEqual(both.connection.extensions, ", ".join(names))
            for _ in range(2):
                if isReversedFirst:
                    payload = both.deflate(message[::-1])
                else:
                    payload = both.deflate(message)[::-1]
                frame = both.peer.frame
                first = frame(BINARY, payload[:9], fin=False, rsv=RSV1 | RSV2)
                both.peer.send(first + frame(CONTINUATION, payload[9:]))
                [echo] = both.peer.frames()
                self.assertEqual((echo.opcode, echo.rsv), (BINARY, RSV1 | RSV2))
                if isReversedFirst:
                    found = both.inflate(echo.payload)[::-1]
                else:
                    found = both.inflate(echo.payload[::-1])
                self.assertEqual(found, message)

    def test_customLimit(self) -> None:
        """
        What an extension can't read, or would make too large, ends the connection as it
        does for compression.
        """
        for payload, code in ((b"abc", 1007), (b"<" + b"a" * 11 + b">", 1009)):
            both = self.startWith([Brackets()], "x-brackets", maxReceivedMessageSize=10)
            both.peer.send(both.peer.frame(BINARY, payload, rsv=RSV3))
            self.assertClosed(both, code)

    def startWith(self, extensions: list[Any], header: str, **options: Any) -> Both:
        """
        A connection that echoes, with these extensions.
        """
        connection, peer = OPEN[self.role](
            header, Echo(), extensions=extensions, **options
        )
        return Both(connection, peer, Deflater(15), Inflater(15))


class ServerCompressionTests(CompressionTestsMixin, CompressionTestCase):
    """
    What a server promises.
    """

    role = Role.SERVER

    def openEarly(self, first: Frame, application: object) -> Peer:
        """
        A client that sends a frame with its handshake.
        """
        site = Served(
            lambda request: request.accept(application=application),
            ServerConfig(extensions=[WILLING]),
        )
        peer = site.connect()
        peer.send(handshake(f"{HEADER}: {NAME}") + peer.frame(*first))
        return peer


class ClientCompressionTests(CompressionTestsMixin, CompressionTestCase):
    """
    What a client promises.
    """

    role = Role.CLIENT

    def openEarly(self, first: Frame, application: object) -> Peer:
        """
        A server that sends a frame with its answer.
        """
        reactor = ClientReactor()
        client = WebSocketClient(reactor, ClientConfig(extensions=[WILLING]))
        client.connect("ws://example.com/", application=application)
        server = reactor.accept()
        server.upgrade(f"{HEADER}: {NAME}", early=server.frame(*first))
        return server

    def test_smallest(self) -> None:
        """
        Who is given a window of 256 bytes, which zlib can't make, sends messages as
        they are.
        """
        both = self.start(Echo(), Terms(ownBits=8))
        both.peer.send(both.frame(TEXT, b"a" * 1000))
        self.assertEqual(both.peer.frames(), [Frame(TEXT, b"a" * 1000)])


class BroadcastTests(SynchronousTestCase):
    """
    Tests of messages to all.
    """

    def setUp(self) -> None:
        self.counted = Counted(replace(WILLING, serverMaxWindowBits=12))
        self.reversal = Changer()
        config = ServerConfig(extensions=[self.counted, self.reversal])
        self.resource = WebSocketResource(Recorder, config)
        self.site = Served(self.resource)

    def connect(self, *offers: str) -> Peer:
        """
        A client that offers this.
        """
        return self.site.upgrade(*(f"{HEADER}: {offer}" for offer in offers))

    def test_once(self) -> None:
        """
        A message to all is compressed once for all connections that agreed on the same
        window and no context, and once for each of the others.
        """
        fresh = f"{NAME}; {SERVER_FRESH}"
        groups = [
            ([fresh, f"{fresh}; {CLIENT_FRESH}", f"{fresh}; {CLIENT_BITS}"], True, 12),
            ([f"{fresh}; {SERVER_BITS}=10"] * 2, True, 10),
            ([NAME, f"{NAME}; {CLIENT_FRESH}"], False, 12),
        ]
        peers = [
            (self.connect(offer), Inflater(bits, isFresh))
            for offers, isFresh, bits in groups
            for offer in offers
        ]
        plain = [self.connect(), self.connect(f"{NAME}; x")]
        message = digits(500)
        for number in (1, 2):
            self.resource.server.broadcast(message)
            self.assertEqual(len(self.counted.encoded), 4 * number)
            frames = []
            for peer, inflater in peers:
                [frame] = peer.frames()
                self.assertEqual((frame.opcode, frame.rsv), (BINARY, RSV1))
                self.assertEqual(inflater(frame.payload), message)
                frames.append(frame)
            self.assertEqual(len(set(frames[:3])), 1)
            self.assertEqual(len(set(frames[3:5])), 1)
            # Whose context goes on is sent less.
            for frame in frames[5:]:
                self.assertEqual(len(frame.payload) < 30, number == 2)
            for peer in plain:
                self.assertEqual(peer.frames(), [Frame(BINARY, message)])

    def test_together(self) -> None:
        """
        What several extensions make of it is shared by those that have the same.
        """
        fresh = f"{NAME}; {SERVER_FRESH}"
        both = [self.connect(f"{fresh}, x-reversal") for _ in range(3)]
        reversed_ = [self.connect("x-reversal") for _ in range(2)]
        compressed = [self.connect(fresh) for _ in range(2)]
        text = "abc" * 100
        self.resource.server.broadcast(text)
        self.assertEqual(len(self.counted.encoded), 2)
        self.assertEqual(len(self.reversal.encoded), 2)
        for peer in both:
            [frame] = peer.frames()
            self.assertEqual(frame.rsv, RSV1 | RSV2)
            self.assertEqual(Inflater(12)(frame.payload[::-1]), text.encode())
        for peer in reversed_:
            self.assertEqual(peer.frames(), [Frame(TEXT, b"cba" * 100, rsv=RSV2)])
        for peer in compressed:
            [frame] = peer.frames()
            self.assertEqual(frame.rsv, RSV1)
            self.assertEqual(Inflater(12)(frame.payload), text.encode())


class MemoryTests(SynchronousTestCase):
    """
    Tests of what hostile messages cost; see :mod:`tests.support.bombs`.
    """

    def measure(self, *names: str) -> dict[str, dict[str, Any]]:
        """
        Measure these in a process of their own.
        """
        command = [sys.executable, "-m", "tests.support.bombs", *names]
        # The reactor of this process may not learn that a child has ended.
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        measured: dict[str, dict[str, Any]] = json.loads(done.stdout)
        return measured

    def test_bombs(self) -> None:
        """
        A message of 1 MiB that would become 1 GiB costs less than 8 MiB, and ends the
        connection with 1009: in one frame and in 64, with and without context takeover,
        in both roles.
        """
        measured = self.measure("bombs")
        self.assertEqual(len(measured), 12)
        for name, found in measured.items():
            self.assertEqual(found["code"], 1009, name)
            self.assertLess(found["growth"], 8 * MIB, name)

    def test_dozens(self) -> None:
        """
        A single read with dozens of messages that become 1 MiB each costs no more than
        one of them.
        """
        measured = self.measure("dozens")
        self.assertEqual(len(measured), 6)
        for name, found in measured.items():
            self.assertGreater(found["messages"], 50, name)
            self.assertLess(found["growth"], found["one"] + 3 * MIB // 2, name)
