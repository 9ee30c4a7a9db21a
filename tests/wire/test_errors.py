# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.wire.errors`.
"""

from twisted.trial.unittest import SynchronousTestCase

from txwebsocket.wire.codes import CloseCause
from txwebsocket.wire.errors import (
    BadResponse,
    ConnectionClosed,
    HandshakeError,
    InvalidState,
    UpgradeRefused,
    WebSocketError,
)
from txwebsocket.wire.report import CloseReport


class ErrorTests(SynchronousTestCase):
    """
    Tests of the tree of errors.
    """

    def test_oneRoot(self) -> None:
        """
        Whoever catches WebSocketError catches them all.
        """
        for kind in (HandshakeError, InvalidState, ConnectionClosed):
            self.assertTrue(issubclass(kind, WebSocketError), kind)

    def test_handshakeErrors(self) -> None:
        """
        Whoever catches HandshakeError catches what goes wrong on either side.
        """
        self.assertTrue(issubclass(UpgradeRefused, HandshakeError))
        self.assertTrue(issubclass(BadResponse, HandshakeError))


class UpgradeRefusedTests(SynchronousTestCase):
    """
    Tests of :class:`UpgradeRefused`.
    """

    def test_fields(self) -> None:
        """
        It carries all that an answer needs.
        """
        error = UpgradeRefused(405, "Use GET.", [("Allow", "GET")])
        self.assertEqual(error.status, 405)
        self.assertEqual(error.explanation, "Use GET.")
        self.assertEqual(error.headers, (("Allow", "GET"),))

    def test_noHeaders(self) -> None:
        """
        Most answers need no header.
        """
        self.assertEqual(UpgradeRefused(400, "No.").headers, ())

    def test_text(self) -> None:
        """
        A log shows the status and the reason.
        """
        self.assertEqual(str(UpgradeRefused(405, "Use GET.")), "405: Use GET.")


class ConnectionClosedTests(SynchronousTestCase):
    """
    Tests of :class:`ConnectionClosed`.
    """

    report = CloseReport(cause=CloseCause.PEER_LOST, wasClean=False, detail="no route")

    def test_report(self) -> None:
        """
        It carries the report of how the connection ended.
        """
        self.assertIs(ConnectionClosed(self.report).report, self.report)

    def test_text(self) -> None:
        """
        Its text is the report's, so that a traceback explains the close.
        """
        self.assertEqual(str(ConnectionClosed(self.report)), str(self.report))
        self.assertIn("no route", str(ConnectionClosed(self.report)))
