# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.core.states`.
"""

from itertools import product

from twisted.trial.unittest import SynchronousTestCase

from txwebsocket.wire.errors import InvalidState
from txwebsocket.wire.states import TRANSITIONS, State, Transition, advance

CONNECTING, OPEN, AWAITING_CLOSE, AWAITING_LOSS, CLOSED = State
OPENED, CLOSE_SENT, CLOSE_RECEIVED, FAILED, DROPPED, LOST = Transition

ROADS = {
    CONNECTING: {OPENED: OPEN, DROPPED: AWAITING_LOSS, LOST: CLOSED},
    OPEN: {
        CLOSE_SENT: AWAITING_CLOSE,
        CLOSE_RECEIVED: AWAITING_LOSS,
        FAILED: AWAITING_LOSS,
        DROPPED: AWAITING_LOSS,
        LOST: CLOSED,
    },
    AWAITING_CLOSE: {
        CLOSE_RECEIVED: AWAITING_LOSS,
        FAILED: AWAITING_LOSS,
        DROPPED: AWAITING_LOSS,
        LOST: CLOSED,
    },
    AWAITING_LOSS: {LOST: CLOSED},
    CLOSED: {},
}
"""
The life of a connection, as the manual tells it.
"""


class AdvanceTests(SynchronousTestCase):
    """
    Tests of :func:`advance` and its table.
    """

    def test_everyStep(self) -> None:
        """
        Each step leads from each state where it should, or is refused by name.
        """
        for state, step in product(State, Transition):
            if step in ROADS[state]:
                self.assertIs(advance(state, step), ROADS[state][step])
                continue
            error = self.assertRaises(InvalidState, advance, state, step)
            self.assertEqual(str(error), f"{step.name} can't happen in {state.name}")

    def test_table(self) -> None:
        """
        The table that others read has the same roads, and no more.
        """
        roads = {(state, step) for state in State for step in ROADS[state]}
        self.assertEqual(set(TRANSITIONS), roads)

    def test_endsOnce(self) -> None:
        """
        The transport can go in any state but the last, which nothing leaves.
        """
        for state in State:
            self.assertEqual(
                TRANSITIONS.get((state, LOST)), {CLOSED: None}.get(state, CLOSED)
            )
        self.assertEqual([pair for pair in TRANSITIONS if pair[0] is CLOSED], [])

    def test_noWayBack(self) -> None:
        """
        Every step leads on, so that no connection lives for ever by turning round.
        """
        order = list(State)
        for (state, _), following in TRANSITIONS.items():
            self.assertGreater(order.index(following), order.index(state))

    def test_told(self) -> None:
        """
        Each state and each step has a sentence of its own for the manual.
        """
        for kind in (State, Transition):
            self.assertEqual(len({member.value for member in kind}), len(kind))
            self.assertTrue(all(" " in member.value for member in kind))
