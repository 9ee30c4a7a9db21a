# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.core.errors`.
"""

from twisted.trial.unittest import SynchronousTestCase

from txwebsocket.wire.codes import CloseCause
from txwebsocket.wire.errors import (
    BadResponse,
    BufferFull,
    ConnectionClosed,
    HandshakeError,
    InvalidState,
    UpgradeRefused,
    WebSocketError,
    shown,
)
from txwebsocket.wire.report import CloseReport


class ShownTests(SynchronousTestCase):
    """
    Tests of :func:`shown`.
    """

    def test_ordinary(self) -> None:
        """
        Ordinary text is shown as it is.
        """
        for text in ("", "no such room", "für alle: ja 😀"):
            self.assertEqual(shown(text), text)

    def test_controls(self) -> None:
        """
        Nothing is shown that a terminal would obey or that would start another line.
        """
        for text in ("a\nb", "\x1b[2J", "a\tb", "\x7f", "\u202e", "\ud800"):
            self.assertTrue(shown(text).isascii(), repr(text))
            self.assertTrue(shown(text).isprintable(), repr(text))

    def test_long(self) -> None:
        """
        Of a long text the beginning is shown.
        """
        self.assertEqual(shown("x" * 200), "x" * 200)
        self.assertEqual(shown("x" * 201), "x" * 200 + "...")
        self.assertLess(len(shown("\n" * 10000)), 2000)


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


class BufferFullTests(SynchronousTestCase):
    """
    Tests of :class:`BufferFull`.
    """

    def test_fields(self) -> None:
        """
        It tells what was to be sent, what waits, and which option sets the bound.
        """
        error = BufferFull(99, 902, 1000)
        self.assertEqual((error.size, error.waiting, error.limit), (99, 902, 1000))
        self.assertEqual(
            str(error),
            "99 bytes more than the 902 that wait for the peer are above "
            "maxBufferedBytes, 1000",
        )


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
