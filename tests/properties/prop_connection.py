# Part of txwebsocket. See LICENSE for details.
"""
Properties of :mod:`txwebsocket.core.connection`.
"""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.properties.strategies import cuts, messages, streams, texts
from tests.support.conversation import Conversation
from tests.support.raw import MASK
from txwebsocket.wire.codes import CloseCause, Opcode, Role
from txwebsocket.wire.control import CloseReceived, PingReceived
from txwebsocket.wire.errors import ConnectionClosed
from txwebsocket.wire.frames import ProtocolFailure
from txwebsocket.wire.messages import Event
from txwebsocket.wire.states import State

roles = st.sampled_from(Role)
ENDED = (State.AWAITING_LOSS, State.CLOSED)

steps = st.lists(
    st.one_of(
        st.tuples(st.just("send"), messages),
        st.tuples(st.just("ping"), st.binary(max_size=125)),
        st.tuples(st.just("close"), st.sampled_from([None, 1000, 3000]), texts),
        st.tuples(st.just("deliver"), st.integers(1, 300)),
    ),
    max_size=15,
)


class End:
    """
    One end of a connection between two of ours, and what its application noticed.
    """

    def __init__(self, role: Role) -> None:
        self.connection = Conversation(role).connection
        self.sent: list[str | bytes] = []
        self.events: list[Event] = []

    def do(self, step: tuple[Any, ...]) -> None:
        """
        Do what an application might; it may come too late.
        """
        try:
            if step[0] == "ping":
                self.connection.ping(step[1])
            elif step[0] == "close":
                reason = step[2] if step[1] else ""
                self.connection.close(step[1], reason, CloseCause.LOCAL_CLOSE)
            else:
                self.connection.send(step[1])
                self.sent.append(step[1])
        except ConnectionClosed:
            pass

    def deliverTo(self, peer: "End", limit: int) -> bool:
        """
        Let about ``limit`` bytes travel; was there anything?
        """
        data = b"".join(self.connection.outbox.take(limit))
        peer.connection.receive(data)
        while (event := peer.connection.nextEvent()) is not None:
            peer.events.append(event)
            if isinstance(event, PingReceived):
                peer.connection.pong(event.payload, isLate=True)
        return bool(data)

    def received(self) -> list[str | bytes]:
        """
        The messages that were delivered here.
        """
        return [event for event in self.events if isinstance(event, str | bytes)]


class ConnectionProperties(SynchronousTestCase):
    """
    What holds for connections whatever happens.
    """

    @given(st.data(), roles)
    def test_everyCut(self, data: st.DataObject, role: Role) -> None:
        """
        Whatever the peer sends, what happens doesn't depend on how it was cut, nothing
        raises, and after an end nothing happens any more.
        """
        octets = data.draw(streams(MASK if role is Role.SERVER else b""))
        whole, cut = Conversation(role), Conversation(role)
        events = whole.receive(octets)
        self.assertEqual(cut.receive(*data.draw(cuts(octets))), events)
        self.assertEqual(cut.sent(), whole.sent())
        ends = [
            event
            for event in events
            if isinstance(event, ProtocolFailure | CloseReceived)
        ]
        self.assertEqual(ends, events[len(events) - len(ends) :])
        self.assertLessEqual(len(ends), 1)
        self.assertIs(whole.connection.state in ENDED, bool(ends))
        for talk in (whole, cut):
            talk.connection.transportLost()
        self.assertEqual(cut.connection.report(), whole.connection.report())

    @given(st.lists(st.tuples(st.booleans(), steps), max_size=4))
    def test_twoEnds(self, story: list[tuple[bool, list[tuple[Any, ...]]]]) -> None:
        """
        Between two of ours all that was sent before a close arrives in order or is
        counted as discarded, no rule is broken, and a close ends both sides cleanly.
        """
        ends = End(Role.SERVER), End(Role.CLIENT)
        for isClient, turn in story:
            actor, peer = ends[isClient], ends[not isClient]
            for step in turn:
                if step[0] == "deliver":
                    actor.deliverTo(peer, step[1])
                else:
                    actor.do(step)
        while any([ends[0].deliverTo(ends[1], 99), ends[1].deliverTo(ends[0], 99)]):
            pass
        for end, peer in (ends, ends[::-1]):
            received = end.received()
            self.assertEqual(received, peer.sent[: len(received)])
            self.assertFalse(
                any(isinstance(event, ProtocolFailure) for event in end.events)
            )
            if end.connection.state is State.OPEN:
                self.assertEqual(len(received), len(peer.sent))
            else:
                report = end.connection.report()
                count = len(received) + report.messagesDiscarded
                self.assertEqual(count, len(peer.sent))
                self.assertIs(end.connection.state, State.AWAITING_LOSS)
                self.assertTrue(report.wasClean)
                self.assertEqual(report.receivedCode, peer.connection.report().sentCode)

    @given(st.data(), roles)
    def test_lastFrame(self, data: st.DataObject, role: Role) -> None:
        """
        Whatever the peer sends, we send one close frame at most, and nothing after it.
        """
        talk = Conversation(role)
        for event in talk.receive(
            data.draw(streams(MASK if role is Role.SERVER else b""))
        ):
            if isinstance(event, PingReceived):
                talk.connection.pong(event.payload)
        talk.connection.close(1000, "", CloseCause.LOCAL_CLOSE)
        talk.connection.fail(1011, "", CloseCause.APPLICATION_ERROR)
        opcodes = [frame.opcode for frame in talk.sent()]
        self.assertEqual(opcodes[-1:], [Opcode.CLOSE])
        self.assertEqual(opcodes.count(Opcode.CLOSE), 1)
