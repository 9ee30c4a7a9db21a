# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.core.codes`.
"""

from twisted.trial.unittest import SynchronousTestCase

from txwebsocket.wire.codes import (
    CloseCause,
    CloseCode,
    Opcode,
    causeOfFailure,
    isSendable,
)

SENDABLE = {*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)}

BORDERS = (0, 1, 999, 1000, 1003, 1004, 1005, 1006, 1007, 1014, 1015, 1016, 1100)
BORDERS += (1999, 2000, 2999, 3000, 3999, 4000, 4999, 5000, 65535)
"""
Codes on both sides of each border between those that may travel and those that may not.
"""


class OpcodeTests(SynchronousTestCase):
    """
    Tests of :class:`Opcode`.
    """

    def test_numbers(self) -> None:
        """
        The opcodes are those of RFC 6455, 11.8, and no others.
        """
        self.assertEqual(
            {opcode.name: opcode.value for opcode in Opcode},
            {
                "CONTINUATION": 0,
                "TEXT": 1,
                "BINARY": 2,
                "CLOSE": 8,
                "PING": 9,
                "PONG": 10,
            },
        )


class CloseCodeTests(SynchronousTestCase):
    """
    Tests of :class:`CloseCode` and :func:`isSendable`.
    """

    def test_registered(self) -> None:
        """
        Every code from 1000 to 1015 has a name.
        """
        self.assertEqual(list(map(int, CloseCode)), list(range(1000, 1016)))

    def test_names(self) -> None:
        """
        The codes an application is most likely to compare with are what they say.
        """
        self.assertEqual(CloseCode.NORMAL, 1000)
        self.assertEqual(CloseCode.GOING_AWAY, 1001)
        self.assertEqual(CloseCode.PROTOCOL_ERROR, 1002)
        self.assertEqual(CloseCode.INVALID_DATA, 1007)
        self.assertEqual(CloseCode.POLICY_VIOLATION, 1008)
        self.assertEqual(CloseCode.MESSAGE_TOO_BIG, 1009)
        self.assertEqual(CloseCode.INTERNAL_SERVER_ERROR, 1011)

    def test_descriptions(self) -> None:
        """
        Each code can be told in words of its own.
        """
        descriptions = {code.description for code in CloseCode}
        self.assertEqual(len(descriptions), len(CloseCode))
        self.assertTrue(all(descriptions))

    def test_sendable(self) -> None:
        """
        Just 1000 to 1003, 1007 to 1014 and 3000 to 4999 may travel in a close frame.
        """
        found = {code for code in range(-1, 65537) if isSendable(code)}
        self.assertEqual(found, SENDABLE)


class CloseCauseTests(SynchronousTestCase):
    """
    Tests of :class:`CloseCause` and :func:`causeOfFailure`.
    """

    def test_told(self) -> None:
        """
        Each cause reads as a sentence of its own, and none is an alias of another.
        """
        self.assertEqual(len(CloseCause), len(CloseCause.__members__))
        self.assertTrue(all(" " in cause.value for cause in CloseCause))

    def test_ofFailure(self) -> None:
        """
        What the peer sent wrong is told apart: bad text, too much, or a broken rule.
        """
        self.assertIs(causeOfFailure(1007), CloseCause.INVALID_DATA)
        self.assertIs(causeOfFailure(1009), CloseCause.MESSAGE_TOO_BIG)
        self.assertIs(causeOfFailure(1002), CloseCause.PEER_FAULT)
