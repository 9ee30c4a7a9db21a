# Part of txwebsocket. See LICENSE for details.
"""
A target that receives messages in pieces, as they arrive or later.
"""

from collections.abc import Callable, Iterable
from functools import partial
from types import ModuleType
from typing import Any

from twisted.internet.defer import Deferred

from tests.support.conversation import Conversation
from tests.support.memory import Ends
from tests.support.twins import TWINS, using
from tests.tools.fuzz.compression import CONTEXTS
from tests.tools.fuzz.source import (
    Source,
    check,
    checkRoom,
    checkSame,
    inSteps,
    isWeighed,
    pieces,
    uncomplaining,
)
from tests.tools.fuzz.stories import Story, writeStory
from tests.tools.fuzz.takers import Application
from txwebsocket import CloseCause, CloseReport
from txwebsocket.connection.incoming import MAX_WAITING
from txwebsocket.wire.inflate import STEP
from txwebsocket.wire.states import State

# A read, and besides it heads and control frames, which are no pieces.
_READ = 2**16 + 2**14
_TURNS = 10_000
_FAULTLESS = (CloseCause.PEER_CLOSE, CloseCause.PEER_LOST)


def receive(data: bytes) -> None:
    """
    A peer that sends anything, to an application that takes messages in pieces, late or
    not at all: it gets what it would get whole, the connection ends in the same way,
    and no more than the promised part of a message is ever held.
    """
    source = Source(data)
    seed, story = source.number(), writeStory(source)
    expected = _Whole(story)
    for twin in TWINS:
        with using(twin), uncomplaining():
            play = _Play(story)
            play.run(lambda stream: pieces(stream, seed))
            expected.compare(play)
    if isWeighed(data):
        # What the inflating of a step has made last is a window for what follows.
        room = MAX_WAITING + 4 * STEP + CONTEXTS
        for twin in TWINS:
            checkRoom(partial(_playForgetfully, story, twin), room)


def _playForgetfully(story: Story, twin: ModuleType) -> None:
    with using(twin):
        _Play(story, isForgetful=True).run(lambda stream: inSteps(stream, 500))


class _Play:
    """
    One performance of a story.

    :ivar application: who has taken the messages.
    :ivar report: how the connection ended.
    :ivar received: how many messages were received, as is counted.
    """

    report: CloseReport
    received: int

    def __init__(self, story: Story, isForgetful: bool = False) -> None:
        self._story = story
        self._isForgetful = isForgetful
        self.application = Application(story.manners, isForgetful)
        self._ends = Ends(
            None if story.isPullMode else self.application,
            role=story.role,
            agreed=story.agreed(),
            streamMessages=True,
            maxReceivedMessageSize=story.limit,
            concurrentMessages=story.atOnce,
            keepalive=False,
        )
        self._pulling: Deferred[None] | None = None
        if story.isPullMode:
            pulling = self.application.pull(self._ends.connection)
            self._pulling = Deferred.fromCoroutine(pulling)
        self._takenBefore = self._receivedBefore = 0

    def run(self, cut: Callable[[bytes], Iterable[bytes]]) -> None:
        """
        Do it all.
        """
        for step in self._story.steps:
            if isinstance(step, bytes):
                for chunk in cut(step):
                    self._arrive(chunk)
            else:
                for _ in range(step[1] % 8):
                    self._poke()
        self._end()

    def _arrive(self, chunk: bytes) -> None:
        peer = self._ends.peer
        peer.transport.arrived += chunk
        self._settle()
        if self._isForgetful:
            # What was not read yet is none of what we hold.
            self._takeAll()
            peer.transport.sent.clear()

    def _poke(self) -> None:
        self.application.poke()
        self._settle()

    def _settle(self) -> None:
        """
        Let everything happen that needs no time.
        """
        clock = self._ends.clock
        self._ends.peer.turn()
        while any(
            call.getTime() <= clock.seconds() for call in clock.getDelayedCalls()
        ):
            clock.advance(0)
            self._ends.peer.turn()
        self._checkHeld()

    def _checkHeld(self) -> None:
        """
        Of what arrives while nothing is taken, only so much is read.
        """
        application, wire = self.application, self._ends.link.core
        taken, received = application.taken, wire.bytesReceived
        isDeaf = wire.state is not State.OPEN
        if isDeaf or application.isTaking or taken != self._takenBefore:
            self._takenBefore, self._receivedBefore = taken, received
        held = received - self._receivedBefore
        check(held <= MAX_WAITING + _READ, "too much is held", held)

    def _takeAll(self) -> None:
        for _ in range(_TURNS):
            before = self._standing()
            self._poke()
            if self._standing() == before:
                return
        check(False, "this goes on and on", before)

    def _standing(self) -> tuple[object, ...]:
        takers = self.application.takers
        isTaking = takers and takers[-1].isTaking
        return len(takers), self.application.taken, isTaking, self._ends.link.report

    def _end(self) -> None:
        """
        All that has arrived is taken; then the peer goes.
        """
        ends = self._ends
        self._takeAll()
        isRead = ends.transport.isReading and not ends.transport.arrived
        check(isRead or not ends.transport.isConnected, "what was taken is not missed")
        ends.peer.end()
        self._takeAll()
        report = ends.link.report
        check(report is not None, "the connection goes on")
        self.report = report  # type: ignore[assignment]
        self.received = ends.connection.traffic.messagesReceived
        check(all(t.isOver for t in self.application.takers), "someone still waits")
        calls = ends.clock.getDelayedCalls()
        check(not calls, "a call is left", calls)
        if self._pulling is None:
            check(self.application.lost, "the application does not know of the end")
        else:
            self._checkPulling(self._pulling)

    def _checkPulling(self, pulling: Deferred[None]) -> None:
        check(pulling.called, "somebody still asks for a message")
        failures: list[Any] = []
        pulling.addErrback(failures.append)
        if failures:
            failures[0].raiseException()


class _Whole:
    """
    What happens where the same arrives in messages that are whole.

    :ivar messages: those that are received.
    :ivar report: how the connection ends.
    """

    def __init__(self, story: Story) -> None:
        self._story = story
        transforms = [transform for _, transform in story.agreed()]
        talk = Conversation(story.role, transforms, maxReceivedMessageSize=story.limit)
        told = talk.receive(story.stream)
        self.messages = [each for each in told if isinstance(each, str | bytes)]
        if talk.connection.state is not State.CLOSED:
            talk.connection.transportLost()
        self.report = talk.connection.report()

    def compare(self, play: _Play) -> None:
        """
        :raises AssertionError: if something else happens in pieces.
        """
        try:
            self._compareMessages(play)
            self._compareEnds(play)
        except AssertionError:
            # zlib lets a reference reach beyond the window into what the same call has
            # made, so that it depends on the calls whether it is found.
            if not self._story.reachesTooFar():
                raise

    def _compareMessages(self, play: _Play) -> None:
        takers = play.application.takers
        check(len(takers) >= len(self.messages), "a message is missing")
        for taker, message in zip(takers, self.messages, strict=False):
            octets = _octets(message)
            checkSame(isinstance(message, str), taker.isText)
            if taker.hasLeft:
                check(octets.startswith(taker.octets), message, taker.octets)
            else:
                check(taker.isComplete, "a message has no end", message)
                checkSame(octets, taker.octets)
        for taker in takers[len(self.messages) :]:
            check(not taker.isComplete, "there is one more", taker.octets)

    def _compareEnds(self, play: _Play) -> None:
        ours, theirs = _ending(self.report), _ending(play.report)
        if ours != theirs:
            # What is wrong with a compressed message is noticed when it is read: before
            # its end has arrived, or behind others; and one thing after the other.
            faults = self._story.faultsOf(len(self.messages))
            isLate = self.report.sentCode in faults
            isKnown = isLate or play.report.sentCode in faults
            check(isKnown, "it ends in another way", ours, theirs, faults)
        elif self.report.cause in _FAULTLESS:
            checkSame(len(self.messages), play.received)
            takers = play.application.takers
            taken = zip(takers, self.messages, strict=False)
            discarded = [t for t, m in taken if t.octets != _octets(m)]
            counted = play.report.messagesDiscarded
            # What is left only when all is over is in no report any more.
            check(counted <= len(discarded), "discarded", counted, discarded)


def _octets(message: str | bytes) -> bytes:
    return message.encode() if isinstance(message, str) else message


def _ending(report: CloseReport) -> tuple[object, ...]:
    return (
        report.cause,
        report.sentCode,
        report.closeReceived,
        report.receivedCode,
        report.receivedReason,
    )
