# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.wire.extensions`.
"""

from twisted.trial.unittest import SynchronousTestCase

from tests.wire.backwards import Backwards
from txwebsocket.wire.errors import BadResponse
from txwebsocket.wire.extensions import (
    Agreement,
    acceptOffers,
    agreeOnAnswers,
    takenBits,
)
from txwebsocket.wire.grammar import Extension

GOOD = Extension("x-backwards", (("mood", "good"),))
BAD = Extension("x-backwards", (("mood", "bad"),))
PLAIN = Extension("x-backwards")


def agreedOn(agreed: list[Agreement]) -> list[Extension]:
    """
    What stands in the header.
    """
    return [agreement.extension for agreement in agreed]


class AcceptOffersTests(SynchronousTestCase):
    """
    Tests of :func:`acceptOffers`.
    """

    def test_firstAcceptable(self) -> None:
        """
        Of several forms of one extension the first acceptable is agreed on.
        """
        agreed = acceptOffers([Backwards()], [BAD, GOOD, PLAIN])
        self.assertEqual(agreedOn(agreed), [GOOD])
        self.assertEqual(takenBits(agreed), 0x20)

    def test_nothingAcceptable(self) -> None:
        """
        Where no form is acceptable, or none is known, there is no agreement.
        """
        self.assertEqual(acceptOffers([Backwards()], [BAD, BAD]), [])
        self.assertEqual(acceptOffers([Backwards()], [Extension("x-other")]), [])
        self.assertEqual(acceptOffers([Backwards()], []), [])
        self.assertEqual(acceptOffers([], [GOOD]), [])

    def test_order(self) -> None:
        """
        Several extensions are agreed on in the server's order.
        """
        factories = [Backwards("x-a", 0x40), Backwards("x-b", 0x20)]
        offers = [Extension("x-b"), Extension("x-c"), Extension("x-a")]
        agreed = acceptOffers(factories, offers)
        self.assertEqual(agreedOn(agreed), [Extension("x-a"), Extension("x-b")])
        self.assertEqual(takenBits(agreed), 0x60)

    def test_clash(self) -> None:
        """
        Two that need the same bit can't be agreed on both; the first one wins.
        """
        factories = [Backwards("x-a"), Backwards("x-b"), Backwards("x-c", 0x10)]
        offers = [Extension("x-a"), Extension("x-b"), Extension("x-c")]
        self.assertEqual(
            agreedOn(acceptOffers(factories, offers)),
            [Extension("x-a"), Extension("x-c")],
        )


class AgreeOnAnswersTests(SynchronousTestCase):
    """
    Tests of :func:`agreeOnAnswers`.
    """

    def assertRefused(
        self, factories: list[Backwards], answers: list[Extension], told: str
    ) -> None:
        """
        The server can't answer like this, and the error says why.
        """
        error = self.assertRaises(BadResponse, agreeOnAnswers, factories, answers)
        self.assertIn(told, str(error))

    def test_agreed(self) -> None:
        """
        What was offered can be answered, in the server's order, all of it or nothing.
        """
        factories = [Backwards("x-a", 0x40), Backwards("x-b", 0x20)]
        answers = [Extension("x-b"), Extension("x-a")]
        agreed = agreeOnAnswers(factories, answers)
        self.assertEqual(agreedOn(agreed), answers)
        self.assertEqual([each.transform.rsv for each in agreed], [0x20, 0x40])
        self.assertEqual(agreeOnAnswers(factories, []), [])

    def test_notOffered(self) -> None:
        """
        What wasn't offered can't be answered.
        """
        self.assertRefused([], [PLAIN], "x-backwards was not offered")
        self.assertRefused([Backwards("x-a")], [PLAIN], "x-backwards was not offered")

    def test_twice(self) -> None:
        """
        Nor can one be answered twice.
        """
        self.assertRefused([Backwards()], [PLAIN, GOOD], "x-backwards was not offered")

    def test_otherwise(self) -> None:
        """
        Nor can it be answered otherwise than it was offered.
        """
        self.assertRefused([Backwards()], [BAD], "x-backwards: the mood is bad")

    def test_clash(self) -> None:
        """
        Nor can two be answered that need the same bit.
        """
        factories = [Backwards("x-a"), Backwards("x-b")]
        answers = [Extension("x-a"), Extension("x-b")]
        self.assertRefused(factories, answers, "x-b needs a bit that is taken")
