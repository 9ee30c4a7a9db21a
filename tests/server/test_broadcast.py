# Part of txwebsocket. See LICENSE for details.
"""
Tests of messages that a server sends to everybody.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.support.memory import Peer, Recorder, Served, binary, close, text
from txwebsocket import (
    ClientConfig,
    CloseCause,
    Deflate,
    ExtensionHeader,
    NegotiatedExtension,
    ServerConfig,
    WebSocketConnection,
    WebSocketFrame,
    WebSocketProtocol,
    WebSocketRequest,
    WebSocketServer,
)
from txwebsocket.connection.websocket import channelOf
from txwebsocket.testing import MemorySite
from txwebsocket.wire.codes import Opcode
from txwebsocket.wire.frames import Frame, encodeFrame

KIB = 1024


class BroadcastTestCase(SynchronousTestCase):
    """
    What tests of broadcasts need.

    :ivar server: the server.
    :ivar served: the site that it serves.
    """

    def serve(self, application: Any = Recorder, **options: Any) -> None:
        """
        Serve with these options.
        """
        self.served = Served(application, ServerConfig(**options))
        self.server: WebSocketServer = self.served.resource.server

    def connect(self) -> tuple[Peer, WebSocketConnection]:
        """
        Connect; return both ends.
        """
        peer = self.served.upgrade()
        return peer, list(self.server.connections)[-1]

    def connectSlow(self, waiting: int = 100 * KIB) -> tuple[Peer, WebSocketConnection]:
        """
        Connect a peer that reads nothing any more, with so many bytes waiting for it.
        """
        peer, connection = self.connect()
        peer.stall()
        # What a transport takes does not count.
        connection.send(bytes(100 * KIB))
        peer.turn()
        connection.send(bytes(waiting))
        return peer, connection


class MessageTests(BroadcastTestCase):
    """
    Tests of what is sent.
    """

    def setUp(self) -> None:
        self.serve()
        self.peers = [self.served.upgrade() for _ in range(3)]

    def assertReceived(self, *frames: Frame) -> None:
        """
        All peers have received just these frames.
        """
        for peer in self.peers:
            # Large frames would take minutes to be compared for a message.
            received = peer.frames()
            self.assertEqual(len(received), len(frames))
            self.assertTrue(received == list(frames))

    def test_text(self) -> None:
        """
        Text is sent to all as text.
        """
        self.assertEqual(self.server.broadcast("grüße"), [])
        self.assertReceived(text("grüße"))
        self.assertEqual(self.server.broadcastUTF("hello"), [])
        self.assertReceived(text("hello"))

    def test_bytes(self) -> None:
        """
        What is like bytes is sent to all as binary.
        """
        self.assertEqual(self.server.broadcast(b"\x00\xff"), [])
        self.assertReceived(binary(b"\x00\xff"))
        for data in (b"abcd", bytearray(b"abcd"), memoryview(b"abcd")):
            self.server.broadcast(data)
            self.assertEqual(self.server.broadcastBytes(data), [])
            self.assertReceived(binary(b"abcd"), binary(b"abcd"))
        numbers = array("H", [1, 2])
        self.server.broadcast(numbers)
        self.assertReceived(binary(numbers.tobytes()))

    def test_empty(self) -> None:
        """
        Empty messages are messages.
        """
        self.server.broadcast("")
        self.server.broadcast(b"")
        self.assertReceived(text(""), binary(b""))

    def test_large(self) -> None:
        """
        Large messages arrive whole.
        """
        for data in (bytes(5000), bytes(range(256)) * 1024):
            self.server.broadcast(data)
            self.assertReceived(binary(data))

    def test_order(self) -> None:
        """
        A broadcast comes after what was sent to somebody before, and before what is
        sent afterwards.
        """
        for connection in self.server.connections:
            connection.send("before")
        self.server.broadcast("to all")
        for connection in self.server.connections:
            connection.send("after")
        self.assertReceived(text("before"), text("to all"), text("after"))

    def test_kept(self) -> None:
        """
        What is changed after it was broadcast arrives as it was.
        """
        data = bytearray(b"one")
        self.server.broadcast(data)
        data[:] = b"two"
        self.assertReceived(binary(b"one"))

    def test_otherThings(self) -> None:
        """
        What is neither text nor bytes can't be sent, and nobody gets any of it.
        """
        for thing in (None, 5, ["a"], object()):
            send: Any = self.server.broadcast
            self.assertRaises(TypeError, send, thing)
        self.assertReceived()

    def test_wrongKind(self) -> None:
        """
        Whoever says which kind it is has to give that kind.
        """
        send: Any = self.server.broadcastBytes
        self.assertRaises(TypeError, send, "text")
        send = self.server.broadcastUTF
        self.assertRaises(TypeError, send, 5)
        self.assertRaises(TypeError, send, None)
        self.assertReceived()

    def test_encoded(self) -> None:
        """
        A text may be given in UTF-8, and must be valid then.
        """
        self.server.broadcastUTF("späße".encode())
        self.assertReceived(text("späße"))
        self.assertRaises(ValueError, self.server.broadcastUTF, b"\xff")
        self.assertReceived()

    def test_noText(self) -> None:
        """
        Text that can't be told in UTF-8 reaches nobody.
        """
        self.assertRaises(UnicodeEncodeError, self.server.broadcast, "a\ud800")
        self.assertReceived()

    def test_traffic(self) -> None:
        """
        It counts as a message for each connection.
        """
        self.server.broadcast("hello")
        for connection in self.server.connections:
            self.assertEqual(connection.traffic.messagesSent, 1)
            self.assertEqual(connection.traffic.bytesSent, 7)

    def test_fragments(self) -> None:
        """
        It is cut into fragments if the options say so.
        """
        self.serve(fragmentOutgoingMessages=True, fragmentationThreshold=4)
        self.peers = [self.served.upgrade() for _ in range(2)]
        self.server.broadcast("abcdefgh!")
        self.assertReceived(
            Frame(Opcode.TEXT, b"abcd", fin=False),
            Frame(Opcode.CONTINUATION, b"efgh", fin=False),
            Frame(Opcode.CONTINUATION, b"!"),
        )


class Socket:
    """
    A socket that takes so many bytes.

    :ivar taken: what it took.
    """

    def __init__(self, room: int) -> None:
        self.room = room
        self.taken = b""

    def send(self, data: Any) -> int:
        """
        Take what there is room for.
        """
        part = bytes(data[: self.room])
        self.room -= len(part)
        self.taken += part
        return len(part)

    def sendmsg(self, pieces: Any) -> int:
        """
        Take what there is room for.
        """
        return self.send(b"".join(pieces))


class BrokenSocket(Socket):
    """
    A socket whose connection is lost.
    """

    def send(self, data: Any) -> int:
        raise ConnectionResetError


class SocketTests(BroadcastTestCase):
    """
    Tests of what is written to sockets that can be written to.
    """

    def setUp(self) -> None:
        self.serve()

    def join(self, socket: Any) -> tuple[Peer, WebSocketConnection]:
        """
        Connect somebody behind this socket.
        """
        peer, connection = self.connect()
        channelOf(connection).outbox.socket = socket
        return peer, connection

    def test_atOnce(self) -> None:
        """
        Sockets with room are given the frame itself, and it is counted.
        """
        sockets = [Socket(1000) for _ in range(3)]
        connections = [self.join(socket)[1] for socket in sockets]
        self.assertEqual(self.server.broadcast("hello"), [])
        frame = encodeFrame(Opcode.TEXT, b"hello")
        for socket, connection in zip(sockets, connections, strict=True):
            self.assertEqual(socket.taken, frame)
            self.assertEqual(connection.bufferedAmount, 0)
            self.assertEqual(connection.traffic.messagesSent, 1)
            self.assertEqual(connection.traffic.bytesSent, len(frame))

    def test_noRoom(self) -> None:
        """
        What a socket has no room for follows when it has, in order, and holds up nobody
        else.
        """
        tight, wide = Socket(3), Socket(1000)
        peer, connection = self.join(tight)
        self.join(wide)
        self.assertEqual(self.server.broadcast("hello"), [])
        self.server.broadcast("more")
        both = encodeFrame(Opcode.TEXT, b"hello") + encodeFrame(Opcode.TEXT, b"more")
        peer.turn()
        self.assertEqual(tight.taken + peer.received(), both)
        self.assertEqual(wide.taken, both)
        self.assertEqual(connection.traffic.bytesSent, len(both))
        self.assertEqual(connection.bufferedAmount, 0)

    def test_lost(self) -> None:
        """
        That a connection is broken is left to its transport to notice.
        """
        peer, connection = self.join(BrokenSocket(0))
        self.join(wide := Socket(1000))
        self.assertEqual(self.server.broadcast("hello"), [])
        peer.turn()
        self.assertEqual(peer.received(), encodeFrame(Opcode.TEXT, b"hello"))
        self.assertEqual(wide.taken, encodeFrame(Opcode.TEXT, b"hello"))
        self.assertTrue(connection.connected)

    def test_behindWhatWaits(self) -> None:
        """
        Nothing overtakes what waits, nor gets between the frames of a message.
        """
        socket = Socket(1000)
        _, connection = self.join(socket)
        connection.sendFrame(WebSocketFrame(Opcode.TEXT, b"one", fin=False))
        self.assertEqual(self.server.broadcast("between"), [connection])
        connection.sendFrame(WebSocketFrame(Opcode.CONTINUATION, b"two"))
        before = socket.taken
        link = channelOf(connection)
        link.isDispatching = True
        connection.send("first")
        self.server.broadcast("second")
        link.isDispatching = False
        link.syncTransport()
        expected = [encodeFrame(Opcode.TEXT, data) for data in (b"first", b"second")]
        self.assertEqual(socket.taken, before + b"".join(expected))


class RecipientTests(BroadcastTestCase):
    """
    Tests of who gets a broadcast.
    """

    def test_nobody(self) -> None:
        """
        Where nobody is, nobody is left out.
        """
        self.serve()
        self.assertEqual(self.server.broadcast("hello"), [])

    def test_closing(self) -> None:
        """
        Who is closing, or has gone, gets nothing; nor is it left out because of the
        broadcast.
        """
        self.serve()
        stays, _ = self.connect()
        closes, connection = self.connect()
        gone, _ = self.connect()
        connection.close()
        gone.vanish()
        self.assertEqual(self.server.broadcast("hello"), [])
        self.assertEqual(self.server.broadcast("hello", skipAbove=1), [])
        self.assertEqual(stays.frames(), [text("hello")] * 2)
        self.assertEqual(closes.frames(), [close()])
        self.assertEqual(gone.frames(), [])

    def test_pullStyle(self) -> None:
        """
        Connections in pull style get it as well.
        """
        self.serve(lambda request: request.accept())
        peer, _ = self.connect()
        self.server.broadcast("hello")
        self.assertEqual(peer.frames(), [text("hello")])

    def test_requests(self) -> None:
        """
        Who is not let in yet gets nothing, also not later.
        """
        requests: list[WebSocketRequest] = []
        self.serve(requests.append)
        peer = self.served.request()
        self.assertEqual(self.server.broadcast("hello"), [])
        self.assertEqual(peer.received(), b"")
        requests[0].accept()
        self.assertEqual(peer.response().status, 101)
        self.assertEqual(peer.frames(), [])

    def test_fromApplication(self) -> None:
        """
        An application may broadcast what it has heard, and hears itself.
        """

        class Chat(WebSocketProtocol):
            def textMessageReceived(self, message: str) -> None:
                test.server.broadcast(message)

        test = self
        self.serve(Chat)
        peers = [self.connect()[0] for _ in range(3)]
        peers[1].sendText("one", "two")
        for peer in peers:
            self.assertEqual(peer.frames(), [text("one"), text("two")])

    def test_onConnect(self) -> None:
        """
        Who has just come hears of it with the others.
        """
        served = Served(Recorder)
        server = WebSocketServer(
            Recorder, onConnect=lambda connection: server.broadcast("welcome")
        )
        server.mount(served.site)
        first = served.upgrade(path="/a")
        second = served.upgrade(path="/a")
        self.assertEqual(first.frames(), [text("welcome")] * 2)
        self.assertEqual(second.frames(), [text("welcome")])

    def test_onClose(self) -> None:
        """
        Who is left hears of it when somebody goes.
        """
        served = Served(Recorder)
        server = WebSocketServer(
            Recorder, onClose=lambda connection: server.broadcast("farewell")
        )
        server.mount(served.site)
        peers = [served.upgrade(path="/a") for _ in range(2)]
        peers[0].sendClose()
        self.assertEqual(peers[0].frames(), [close()])
        self.assertEqual(peers[1].frames(), [text("farewell")])


class SomeTests(BroadcastTestCase):
    """
    Tests of messages to some.
    """

    def setUp(self) -> None:
        self.serve()
        self.ends = [self.connect() for _ in range(3)]
        self.peers = [peer for peer, _ in self.ends]
        self.connections = [connection for _, connection in self.ends]

    def test_some(self) -> None:
        """
        Only those named are sent a message, text or bytes, whatever names them.
        """
        first, _, third = self.connections
        for to in ([first, third], {first, third}, iter((third, first))):
            self.assertEqual(self.server.broadcast("hello", to=to), [])
            frames = [peer.frames() for peer in self.peers]
            self.assertEqual(frames, [[text("hello")], [], [text("hello")]])
        self.server.broadcast(b"bytes", to=[third])
        self.server.broadcastUTF("text", to=[third])
        self.server.broadcastBytes(b"more", to=[third])
        self.assertEqual(
            [peer.frames() for peer in self.peers],
            [[], [], [binary(b"bytes"), text("text"), binary(b"more")]],
        )

    def test_nobody(self) -> None:
        """
        Nobody is not everybody.
        """
        self.assertEqual(self.server.broadcast("hello", to=[]), [])
        self.assertEqual([peer.frames() for peer in self.peers], [[], [], []])

    def test_once(self) -> None:
        """
        Who is named twice is sent it once.
        """
        self.server.broadcast("hello", to=[self.connections[0]] * 2)
        self.assertEqual(self.peers[0].frames(), [text("hello")])

    def test_ended(self) -> None:
        """
        Who has left, or is about to, is passed over, and raises nothing.
        """
        _, closing, there = self.connections
        self.peers[0].vanish()
        closing.close()
        self.peers[1].frames()
        self.assertEqual(self.server.broadcast("hello", to=self.connections), [])
        self.assertEqual(self.peers[1].frames(), [])
        self.assertEqual(self.peers[2].frames(), [text("hello")])
        self.assertTrue(there.connected)

    def test_changing(self) -> None:
        """
        A set of connections may change while they are sent to.
        """
        people = set(self.connections)
        for connection in self.connections:
            connection.whenClosed().addCallback(
                lambda _, connection=connection: people.discard(connection)
            )
            connection.attachProducer(Dropping(connection))
        self.server.broadcast(bytes(100 * KIB), to=people)
        for peer in self.peers:
            peer.turn()
        self.assertEqual(people, set())

    def test_slow(self) -> None:
        """
        Who is slow can be left out here, too.
        """
        _, slow = self.connectSlow()
        left = self.server.broadcast("x", to=[slow, self.connections[0]], skipAbove=0)
        self.assertEqual(left, [slow])
        self.assertEqual(self.peers[0].frames(), [text("x")])

    def test_strangers(self) -> None:
        """
        An open connection of another server raises ValueError, which names it, before
        anybody is sent anything.
        """
        mine, server = self.connections[0], self.server
        self.serve()
        peer, stranger = self.connect()
        error = self.assertRaises(
            ValueError, server.broadcast, "hello", to=[mine, stranger]
        )
        self.assertIn(repr(stranger), str(error))
        self.assertEqual(self.peers[0].frames() + peer.frames(), [])


class SlowTests(BroadcastTestCase):
    """
    Tests of broadcasts while some don't read.
    """

    def test_queued(self) -> None:
        """
        Who reads slowly gets it later; nobody waits for it.
        """
        self.serve()
        slow, connection = self.connectSlow()
        quick, _ = self.connect()
        before = connection.bufferedAmount
        self.assertEqual(self.server.broadcast("hello"), [])
        self.assertEqual(connection.bufferedAmount, before + 7)
        self.assertEqual(quick.frames(), [text("hello")])
        slow.goOn()
        self.assertEqual(slow.frames()[2:], [text("hello")])

    def test_skipped(self) -> None:
        """
        Who has more than this waiting can be left out, of this one message.
        """
        self.serve()
        slow, connection = self.connectSlow()
        quick, _ = self.connect()
        left = self.server.broadcast("hello", skipAbove=KIB)
        self.assertEqual(left, [connection])
        self.assertTrue(connection.connected)
        self.assertEqual(quick.frames(), [text("hello")])
        slow.goOn()
        self.assertEqual(len(slow.frames()), 2)
        self.assertEqual(self.server.broadcast("again", skipAbove=KIB), [])
        self.assertEqual(slow.frames(), [text("again")])

    def test_withinMessage(self) -> None:
        """
        Who is being sent a message frame by frame is left out, since it would be torn.
        """
        self.serve()
        busy, connection = self.connect()
        other, _ = self.connect()
        connection.sendFrame(WebSocketFrame(Opcode.TEXT, b"a", fin=False))
        self.assertEqual(self.server.broadcast("hello"), [connection])
        connection.sendFrame(WebSocketFrame(Opcode.CONTINUATION, b"b"))
        self.assertEqual(self.server.broadcast("hello"), [])
        self.assertEqual(other.frames(), [text("hello")] * 2)
        self.assertEqual(len(busy.frames()), 3)

    def test_kinds(self) -> None:
        """
        So it can for both kinds of messages.
        """
        self.serve()
        _, connection = self.connectSlow()
        for left in (
            self.server.broadcast(b"hello", skipAbove=KIB),
            self.server.broadcastUTF("hello", skipAbove=KIB),
            self.server.broadcastBytes(b"hello", skipAbove=KIB),
        ):
            self.assertEqual(left, [connection])

    def test_exactly(self) -> None:
        """
        Who has just as much waiting, and not more, is not left out; zero leaves out
        everybody for whom anything waits.
        """
        self.serve()
        _, connection = self.connectSlow()
        waiting = connection.bufferedAmount
        self.assertEqual(self.server.broadcast("", skipAbove=waiting - 1), [connection])
        self.assertEqual(connection.bufferedAmount, waiting)
        self.assertEqual(self.server.broadcast("", skipAbove=waiting), [])
        self.assertEqual(connection.bufferedAmount, waiting + 2)
        quick, _ = self.connect()
        self.assertEqual(self.server.broadcast("a", skipAbove=0), [connection])
        self.assertEqual(quick.frames(), [text("a")])

    def test_tooSlow(self) -> None:
        """
        Who would have more than ``maxBufferedBytes`` waiting is closed with 1008 and
        named; all others get the message.
        """
        self.serve(maxBufferedBytes=200 * KIB)
        first, _ = self.connect()
        slow, connection = self.connectSlow(waiting=150 * KIB)
        last, _ = self.connect()
        message = bytes(60 * KIB)
        self.assertEqual(self.server.broadcast(message), [connection])
        for peer in (first, last):
            self.assertEqual(peer.frames(), [binary(message)])
        self.assertFalse(connection.connected)
        slow.goOn()
        self.assertEqual(slow.frames()[-1].payload[:2], (1008).to_bytes(2, "big"))
        slow.end()
        report: Any = connection.closeReport
        self.assertIs(report.cause, CloseCause.BUFFER_FULL)
        self.assertEqual(self.server.broadcast("next"), [])
        self.assertEqual(last.frames(), [text("next")])

    def test_oneAlways(self) -> None:
        """
        A message above ``maxBufferedBytes`` is taken for those for whom nothing waits.
        """
        self.serve(maxBufferedBytes=KIB)
        peer, _ = self.connect()
        self.assertEqual(self.server.broadcast(bytes(100 * KIB)), [])
        self.assertEqual(peer.frames(), [binary(bytes(100 * KIB))])

    def test_skippedFirst(self) -> None:
        """
        Who is left out is not closed for it.
        """
        self.serve(maxBufferedBytes=200 * KIB)
        _, connection = self.connectSlow(waiting=150 * KIB)
        left = self.server.broadcast(bytes(60 * KIB), skipAbove=KIB)
        self.assertEqual(left, [connection])
        self.assertTrue(connection.connected)


class Dropping:
    """
    A producer that drops its connection instead of pausing.
    """

    def __init__(self, connection: WebSocketConnection) -> None:
        self.connection = connection

    def pauseProducing(self) -> None:
        """
        Drop it.
        """
        self.connection.drop(1000, "", skipCloseFrame=True)

    def resumeProducing(self) -> None:
        """
        There is nothing to resume.
        """

    def stopProducing(self) -> None:
        """
        There is nothing to stop.
        """


class Producer:
    """
    A producer that does something when it is first asked to pause.
    """

    def __init__(self, onPause: Callable[[], object]) -> None:
        self._todo = [onPause]

    def pauseProducing(self) -> None:
        """
        Do it.
        """
        if self._todo:
            self._todo.pop()()

    def resumeProducing(self) -> None:
        """
        Do nothing.
        """

    def stopProducing(self) -> None:
        """
        Do nothing.
        """


class FateTests(BroadcastTestCase):
    """
    Tests of what happens to one while others get a broadcast.
    """

    def setUp(self) -> None:
        self.serve()
        self.peers = []
        self.connections = []
        for _ in range(3):
            peer, connection = self.connect()
            self.peers.append(peer)
            self.connections.append(connection)

    def test_raises(self) -> None:
        """
        An error in one connection's application ends that one, and the others get the
        message.
        """

        def broken() -> None:
            raise ZeroDivisionError("secret")

        producer: Any = Producer(broken)
        self.connections[1].attachProducer(producer)
        message = bytes(200 * KIB)
        self.server.broadcast(message)
        for peer in (self.peers[0], self.peers[2]):
            self.assertEqual(peer.frames(), [binary(message)])
            peer.sendText("still there")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertFalse(self.connections[1].connected)
        self.assertEqual(self.peers[1].frames()[-1], close(1011))

    def test_dropsAnother(self) -> None:
        """
        A connection that is dropped meanwhile gets nothing, and it is no error.
        """
        producer: Any = Producer(self.connections[2].drop)
        self.connections[1].attachProducer(producer)
        message = bytes(200 * KIB)
        self.assertEqual(self.server.broadcast(message), [])
        self.assertEqual(self.peers[0].frames(), [binary(message)])
        self.assertEqual(self.peers[1].frames(), [binary(message)])
        self.assertEqual(self.peers[2].frames(), [close(1002)])

    def test_beginsMessage(self) -> None:
        """
        Who is paused to make room and begins a message in pieces gets nothing, and all
        others do.
        """
        left: list[WebSocketConnection] = []

        class Chat(WebSocketProtocol):
            def textMessageReceived(chat, message: str) -> None:
                producer: Any = Producer(chat.connection.sendStream)
                chat.connection.attachProducer(producer)
                chat.connection.send(bytes(200 * KIB))
                left.extend(self.server.broadcast(message))

        self.serve(Chat)
        slow, connection = self.connect()
        other, _ = self.connect()
        slow.stall()
        slow.sendText("hello")
        self.assertEqual(left, [connection])
        self.assertEqual(other.frames(), [text("hello")])

    def test_again(self) -> None:
        """
        What is broadcast meanwhile reaches all as well.
        """
        producer: Any = Producer(lambda: self.server.broadcast("in between"))
        self.connections[1].attachProducer(producer)
        message = bytes(200 * KIB)
        self.server.broadcast(message)
        for peer in self.peers:
            frames = peer.frames()
            self.assertIn(text("in between"), frames)
            self.assertIn(binary(message), frames)
            self.assertEqual(len(frames), 2)


class Rotating:
    """
    An extension that rotates letters in one direction for each group of clients.

    :ivar encoded: how many messages were changed before they were sent.
    """

    name = "x-rotating"

    def __init__(self, group: str | None) -> None:
        self.group = group
        self.encoded = 0

    def offers(self) -> list[ExtensionHeader]:
        """
        Offer to be in our group; in none, to be alone.
        """
        return [ExtensionHeader(self.name, (("group", self.group),))]

    def agree(self, answer: ExtensionHeader) -> RotatingTransform:
        """
        Take whatever the answer is.
        """
        return RotatingTransform(self, None)

    def accept(self, offer: ExtensionHeader) -> NegotiatedExtension:
        """
        Accept each offer.
        """
        return NegotiatedExtension(
            offer, RotatingTransform(self, offer.parameters[0][1])
        )


class RotatingTransform:
    """
    What is done to the messages of one connection.
    """

    rsv = 0x40
    releaseAfter = None

    def __init__(self, extension: Rotating, group: str | None) -> None:
        self._extension = extension
        self._group = group

    def encode(self, payload: bytes) -> bytes:
        """
        Rotate.
        """
        self._extension.encoded += 1
        return payload[1:] + payload[:1]

    def decode(self, payload: bytes, limit: int) -> bytes:
        """
        Rotate back.
        """
        return payload[-1:] + payload[:-1]

    def sharingKey(self) -> str | None:
        """
        All in a group are alike; who is in none is like nobody else.
        """
        return self._group

    def resumeFrom(self) -> None:
        """
        There is nothing to let go of.
        """


class ExtensionTests(SynchronousTestCase):
    """
    Tests of broadcasts to those who have agreed on extensions.
    """

    def setUp(self) -> None:
        self.extension = Rotating("servers")

    def connect(self, site: MemorySite, *extensions: Any) -> WebSocketConnection:
        """
        Connect with these extensions.
        """
        config = ClientConfig(extensions=extensions)
        return self.successResultOf(site.connect(config=config))

    def assertReceived(
        self, site: MemorySite, connections: list[WebSocketConnection], message: str
    ) -> None:
        """
        What is broadcast reaches them all.
        """
        server: Any = site.server
        self.assertEqual(server.broadcast(message), [])
        site.flush()
        for connection in connections:
            self.assertEqual(self.successResultOf(connection.receive()), message)

    def test_once(self) -> None:
        """
        A message is changed once for all who have agreed on the same, and not at all
        for those who have agreed on nothing.
        """
        site = MemorySite(Recorder, ServerConfig(extensions=[self.extension]))
        for groups, count in (
            ([], 0),
            (["a", "a", "a"], 1),
            (["a", "b", "b"], 2),
        ):
            connections = [self.connect(site)]
            connections += [self.connect(site, Rotating(group)) for group in groups]
            self.extension.encoded = 0
            self.assertReceived(site, connections, "hello")
            self.assertEqual(self.extension.encoded, count)
            for connection in connections:
                connection.close()
            site.flush()

    def test_each(self) -> None:
        """
        It is changed anew for each for whom it depends on what came before.
        """
        site = MemorySite(Recorder, ServerConfig(extensions=[self.extension]))
        groups = ["a", None, "a", None]
        connections = [self.connect(site, Rotating(group)) for group in groups]
        self.assertReceived(site, connections, "hello")
        self.assertEqual(self.extension.encoded, 3)

    def test_compressed(self) -> None:
        """
        A message is compressed for those who want that, with a context of their own or
        without, and reaches all others as well.
        """
        site = MemorySite(Recorder, ServerConfig(extensions=[Deflate()]))
        fresh = Deflate(serverNoContextTakeover=True)
        connections = [
            self.connect(site),
            self.connect(site, Deflate()),
            self.connect(site, fresh),
            self.connect(site, fresh),
        ]
        message = "again and " * 10 * KIB
        for _ in range(2):
            self.assertReceived(site, connections, message)
        server: Any = site.server
        plain, *small = [each.traffic.bytesSent for each in server.connections]
        self.assertGreater(plain, 2 * len(message))
        for size in small:
            self.assertLess(size, 2 * KIB)
