# Part of txwebsocket. See LICENSE for details.
"""
Tests of how a combination of versions that can't work is noticed.
"""

from __future__ import annotations

from incremental import Version
from twisted.trial.unittest import SynchronousTestCase

from txwebsocket import WebSocketResource
from txwebsocket.server.tlscheck import BrokenTLS, checkTLS, warnOfBrokenTLS


class CheckTests(SynchronousTestCase):
    def test_good(self) -> None:
        """
        Twisted from 26.4 on works with any pyOpenSSL, older ones with one before 26.2.
        """
        for twisted, pyOpenSSL in (
            ((26, 4, 0), "26.2.0"),
            ((26, 10, 0), "27.0.0"),
            ((26, 10, 0), "24.0.0"),
            ((24, 7, 0), "26.1.0"),
            ((25, 5, 0), "26.1.99"),
            ((25, 5, 0), "24.3.0"),
        ):
            self.assertIsNone(checkTLS(Version("Twisted", *twisted), pyOpenSSL))

    def test_broken(self) -> None:
        """
        An older Twisted can't serve TLS with a newer pyOpenSSL: the error names both,
        and what to install.
        """
        for twisted, pyOpenSSL in (
            ((24, 7, 0), "26.2.0"),
            ((25, 5, 0), "26.3.0"),
            ((25, 5, 0), "26.10.1"),
            ((25, 5, 0), "27.0.0"),
        ):
            with self.assertRaises(BrokenTLS) as raised:
                checkTLS(Version("Twisted", *twisted), pyOpenSSL)
            text = str(raised.exception)
            for words in (f"{twisted[0]}.{twisted[1]}", pyOpenSSL, "pyopenssl<26.2"):
                self.assertIn(words, text)

    def test_installed(self) -> None:
        """
        Without arguments it is about what is installed, and a server warns of just
        that when it is made.
        """
        try:
            checkTLS()
        except BrokenTLS as problem:
            expected = [str(problem)]
        else:
            expected = []
        warnOfBrokenTLS()
        self.assertEqual([w["message"] for w in self.flushWarnings()], expected)
        WebSocketResource(WebSocketResource)
        self.assertEqual([w["message"] for w in self.flushWarnings()], expected)
