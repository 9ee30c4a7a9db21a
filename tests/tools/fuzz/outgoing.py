# Part of txwebsocket. See LICENSE for details.
"""
A target that sends messages in pieces, to a peer that reads when it likes.
"""

from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, NamedTuple

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from tests.support.conversation import Conversation
from tests.support.memory import Ends
from tests.support.twins import TWINS, using
from tests.tools.fuzz.connections import somePayload
from tests.tools.fuzz.source import (
    Source,
    check,
    checkSame,
    outcome,
    pieces,
    uncomplaining,
)
from txwebsocket import (
    BufferFull,
    BufferPolicy,
    ConnectionClosed,
    InvalidState,
    MessageWriter,
)
from txwebsocket.wire.codes import Opcode, Role
from txwebsocket.wire.control import CloseReceived
from txwebsocket.wire.deflate import Deflate, DeflateTransform
from txwebsocket.wire.extensions import NegotiatedExtension
from txwebsocket.wire.frames import Frame, ProtocolFailure
from txwebsocket.wire.grammar import ExtensionHeader
from txwebsocket.wire.streaming import StreamingDecoder

_ROOM = 20_000
# A single piece is always taken where nothing waits.
_LARGEST = 2**16
_POLICIES = (*BufferPolicy,)
_NOT_NOW = (ConnectionClosed, InvalidState)
_REFUSED = (BufferFull, InvalidState, ConnectionClosed, TypeError, ValueError)

# How bytes that are no characters yet stand in a text.
_ODD = "surrogateescape"
_CUT = "".join(map(chr, range(0xDC80, 0xDD00)))

Message = str | bytes


class Script(NamedTuple):
    """
    What an application does, and a peer.

    :ivar bits: the window in which messages are compressed; 0 if they are not.
    :ivar isFresh: whether each message is compressed by itself.
    :ivar steps: the names of what they do, and what with.
    """

    role: Role
    options: dict[str, Any]
    bits: int
    isFresh: bool
    steps: list[tuple[Any, ...]]

    def transforms(self) -> list[DeflateTransform]:
        """
        What is done to messages, the same at both ends.
        """
        transform = DeflateTransform(
            Deflate(minSize=10),
            ownBits=self.bits,
            isOwnFresh=self.isFresh,
            peerBits=self.bits,
            isPeerFresh=self.isFresh,
        )
        return [transform] if self.bits else []

    def agreed(self) -> list[NegotiatedExtension]:
        """
        The same, as both ends have agreed on it.
        """
        extension = ExtensionHeader("permessage-deflate", ())
        return [NegotiatedExtension(extension, each) for each in self.transforms()]


def send(data: bytes) -> None:
    """
    An application that sends messages in pieces, and others between them, and breaks
    some off: a peer reads each as it was sent, whole and in pieces, and each piece as
    soon as it has left; nothing else is raised than is documented.
    """
    source = Source(data)
    seed, script = source.number(), _write(source)
    told = [_play(script, twin, seed) for twin in TWINS]
    checkSame(*told)


def _play(script: Script, twin: ModuleType, seed: int) -> object:
    with using(twin), uncomplaining():
        return _Play(script, seed).run()


def _write(source: Source) -> Script:
    choices = source.number()
    role = Role.CLIENT if choices & 1 else Role.SERVER
    options = {
        "maxBufferedBytes": _ROOM,
        "whenBufferFull": _POLICIES[source.number() % len(_POLICIES)],
        "fragmentOutgoingMessages": bool(choices & 2),
        "fragmentationThreshold": 100,
        "keepalive": False,
    }
    bits = (0, 9, 12, 15)[choices >> 2 & 3]
    steps = []
    while source and len(steps) < 60:
        kind = source.choice(*_KINDS)
        steps.append((kind, *_details(source, kind)))
    return Script(role, options, bits, bool(choices & 16), steps)


_KINDS = ("write", "write", "start", "end", "pieces", "send", "ping", "stall", "goOn")
_KINDS += ("breakOff", "write", "start", "end", "cancel", "with")


def _details(source: Source, kind: str) -> Iterable[Any]:
    if kind == "start":
        choices = source.number()
        return bool(choices & 1), not choices & 2
    if kind in ("write", "send"):
        return (_message(source),)
    if kind in ("pieces", "with"):
        return ([_message(source) for _ in range(source.number() % 5)],)
    return ()


def _message(source: Source) -> Message:
    octets = somePayload(source)
    if source.number() & 1:
        # It may have what UTF-8 has not.
        return octets.decode("utf-8", "surrogateescape")
    return octets


def _joined(parts: list[Message]) -> Message:
    """
    The message that is made of these.
    """
    whole = b"".join(map(_octets, parts))
    return whole.decode("utf-8") if parts and isinstance(parts[0], str) else whole


def _octets(piece: Message) -> bytes:
    return piece.encode("utf-8") if isinstance(piece, str) else piece


class _Reader:
    """
    A peer that reads messages in pieces.

    :ivar messages: those that are complete.
    :ivar begun: what there is of the next one; None if there is nothing.
    """

    def __init__(self, talk: Conversation) -> None:
        self._talk = talk
        self._decoder: StreamingDecoder | None = None
        self.messages: list[Message] = []
        self.begun: Message | None = None

    def receive(self, chunk: bytes) -> None:
        """
        Read this.
        """
        connection = self._talk.connection
        connection.receive(chunk)
        while (event := connection.nextEvent()) is not None:
            check(
                not isinstance(event, ProtocolFailure),
                "what is sent breaks a rule",
                event,
            )
            if isinstance(event, Frame):
                # Now: after a close frame the extensions are forgotten.
                self._take(event)

    def _take(self, fragment: Frame) -> None:
        if fragment.opcode != Opcode.CONTINUATION:
            check(self.begun is None, "a message begins within another")
            self._decoder = self._talk.connection.makeStreamingDecoder(fragment)
            self.begun = "" if self._decoder.isText else b""
        decoder: Any = self._decoder
        decoder.add(fragment)
        while piece := decoder.take():
            check(
                not isinstance(piece, ProtocolFailure), "a piece can't be read", piece
            )
            self.begun += piece
        if piece is not None:
            self.messages.append(self.begun)  # type: ignore[arg-type]
            self.begun = None


class _Play:
    """
    One performance of a script.
    """

    def __init__(self, script: Script, seed: int) -> None:
        self._script = script
        self._seed = seed
        self._ends = Ends(role=script.role, agreed=script.agreed(), **script.options)
        self._connection = self._ends.connection
        self._inPieces = _Reader(self._peer(streamMessages=True))
        self._whole = self._peer()
        self._read: list[Any] = []
        # What was sent, by the application's own account.
        self._sent: list[Message] = []
        self._message: MessageWriter | None = None
        self._begun: Message | None = None
        self._sending: Deferred[None] | None = None
        self._faults: list[Failure] = []

    def _peer(self, **options: Any) -> Conversation:
        role = Role.SERVER if self._script.role is Role.CLIENT else Role.CLIENT
        transforms = self._script.transforms()
        return Conversation(role, transforms, maxReceivedMessageSize=2**30, **options)

    def run(self) -> list[object]:
        """
        Do it all; return what was raised, and what was sent.
        """
        calls: dict[str, Callable[..., object]] = {
            "start": self._start,
            "write": self._write,
            "end": self._finish,
            "breakOff": self._breakOff,
            "with": self._block,
            "pieces": self._pieces,
            "cancel": self._cancel,
            "send": self._send,
            "ping": self._ping,
            "stall": self._stall,
            "goOn": self._goOn,
        }
        told: list[object] = []
        for kind, *what in self._script.steps:
            told.append(calls[kind](*what))
            self._settle()
        self._end()
        return [told, self._sent]

    # What the application does

    def _start(self, isText: bool, compress: bool) -> object:
        def start() -> None:
            start = self._connection.sendStream
            self._message = start(isText=isText, compress=compress)
            self._begin("" if isText else b"")

        return outcome(start, *_NOT_NOW)

    def _begin(self, nothing: Message) -> None:
        check(self._begun is None and self._sending is None, "two messages at a time")
        self._begun = nothing

    def _write(self, piece: Message) -> object:
        return self._tell(lambda message: self._put(message, piece), *_REFUSED)

    def _put(self, message: MessageWriter, piece: Message) -> None:
        message.write(piece)
        begun: Any = self._begun
        if isinstance(begun, str):
            octets = begun.encode("utf-8", _ODD) + _octets(piece)
            self._begun = octets.decode("utf-8", _ODD)
        else:
            self._begun = begun + piece

    def _finish(self) -> object:
        return self._tell(self._complete, ConnectionClosed, BufferFull, ValueError)

    def _complete(self, message: MessageWriter) -> None:
        begun, self._begun = self._begun, None
        message.end()
        if begun is not None:
            self._sent.append(begun)

    def _breakOff(self) -> object:
        return self._tell(self._forget)

    def _forget(self, message: MessageWriter) -> None:
        message.breakOff()
        self._begun = None

    def _tell(
        self, call: Callable[[MessageWriter], None], *errors: type[Exception]
    ) -> object:
        """
        Do something with the last message, if there is one.
        """
        message = self._message
        return message and outcome(lambda: call(message), *errors)

    def _block(self, parts: list[Message]) -> object:
        def write() -> None:
            isText = isinstance(parts[0], str) if parts else False
            with self._connection.sendStream(isText=isText) as message:
                for part in parts:
                    message.write(part)
            self._sent.append(_joined(parts))

        return outcome(write, *_REFUSED)

    def _pieces(self, parts: list[Message]) -> None:
        isWithin = self._begun is not None or self._sending is not None
        told: list[object] = []
        sending = self._connection.sendPieces(parts)
        self._sending = sending if not isWithin else self._sending

        def done(result: Any) -> None:
            told.append(result)
            if not isWithin:
                self._sending = None
            if isinstance(result, Failure):
                result.trap(CancelledError, *_REFUSED)
            else:
                check(not isWithin, "two messages at a time")
                self._sent.append(_joined(parts))

        sending.addBoth(done).addErrback(self._faults.append)

    def _cancel(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            check(self._sending is None, "it was cancelled and goes on")

    def _send(self, message: Message) -> object:
        def send() -> None:
            before = self._connection.traffic.messagesDropped
            self._connection.send(message)
            isWithin = self._begun is not None or self._sending is not None
            check(not isWithin, "a message is sent within another")
            if self._connection.traffic.messagesDropped == before:
                self._sent.append(message)

        return outcome(send, *_REFUSED)

    def _ping(self) -> object:
        def ping() -> None:
            self._connection.ping(b"?").addErrback(lambda _: None)

        return outcome(ping, *_NOT_NOW, BufferFull)

    def _stall(self) -> None:
        self._ends.peer.stall()

    def _goOn(self) -> None:
        self._ends.peer.goOn()

    # What comes of it

    def _settle(self) -> None:
        """
        Let everything happen that needs no time, and have the peers read.
        """
        ends = self._ends
        ends.peer.turn()
        now = ends.clock.seconds()
        while any(call.getTime() <= now for call in ends.clock.getDelayedCalls()):
            ends.clock.advance(0)
            ends.peer.turn()
        octets = ends.peer.received()
        for chunk in pieces(octets, self._seed):
            self._inPieces.receive(chunk)
        self._read += self._whole.receive(octets)
        waiting = self._connection.bufferedAmount
        check(waiting <= _ROOM + _LARGEST, "too much waits", waiting)
        isAllRead = not waiting and not ends.transport.unsent
        if isAllRead and self._begun is not None and self._connection.connected:
            begun = self._inPieces.begun
            written = self._begun
            if isinstance(written, str):
                # A character that was cut is not read before its end.
                written = written.rstrip(_CUT)
            check((begun or None) == (written or None), "a piece is kept back")

    def _end(self) -> None:
        """
        The peer reads all, and the connection is closed.
        """
        self._goOn()
        self._settle()
        check(not self._faults, "another error", self._faults)
        if self._connection.connected and self._begun is None:
            fault = self._send("the last one")
            check(fault is None, "what has ended is in the way", fault)
        self._connection.close()
        self._settle()
        check(self._sending is None, "it does not end")
        messages = [each for each in self._read if isinstance(each, str | bytes)]
        checkSame(self._sent, messages, self._inPieces.messages)
        closes = [each for each in self._read if isinstance(each, CloseReceived)]
        check(closes == self._read[-1:], "it ends without a close frame", self._read)
        checkSame(len(self._sent), self._connection.traffic.messagesSent)
