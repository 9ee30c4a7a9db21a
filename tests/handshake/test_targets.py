# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.handshake.targets`.
"""

from twisted.trial.unittest import SynchronousTestCase

from txwebsocket.handshake.targets import isOfHost, parseTarget


class ParseTargetTests(SynchronousTestCase):
    """
    Tests of :func:`parseTarget`.
    """

    def test_path(self) -> None:
        """
        Path and query are what stands there, undecoded, and no more is read into them.
        """
        for text, path, query in (
            ("/", "/", ""),
            ("/a/b?c=d?e", "/a/b", "c=d?e"),
            ("//evil.example/x", "//evil.example/x", ""),
            ("/http://h/", "/http://h/", ""),
            ("/%23%2F?%23", "/%23%2F", "%23"),
            ('/|^{}\\"<>`[]', '/|^{}\\"<>`[]', ""),
            ("/\xe9?\xff", "/\xe9", "\xff"),
        ):
            self.assertEqual(parseTarget(text), ("", "", path, query, ""), text)

    def test_absolute(self) -> None:
        """
        A URL has a host as well; without a path, it is for the root.
        """
        for text, scheme, host, path, query in (
            ("http://h/a?b", "http", "h", "/a", "b"),
            ("HTTPS://H:1", "https", "H:1", "/", ""),
            ("ws://[::1]?b", "ws", "[::1]", "/", "b"),
            ("wss://h//a", "wss", "h", "//a", ""),
        ):
            self.assertEqual(parseTarget(text), (scheme, host, path, query, ""), text)

    def test_mistakes(self) -> None:
        """
        All else leads nowhere.
        """
        for text in (
            "",
            "*",
            "chat",
            "\\chat",
            "*chat",
            "?",
            "#",
            "/#",
            "/a#b",
            "/a b",
            "/a\tb",
            "/a\x00",
            "/a\x7f",
            "http:/h/",
            "http://",
            "http:///",
            "http://[/",
            "http://u@h/",
            "http://h#/",
            "http://h:x/",
            "http://h\\a",
            "ftp://h/",
            "h:80",
        ):
            self.assertRaises(ValueError, parseTarget, text)


class IsOfHostTests(SynchronousTestCase):
    """
    Tests of :func:`isOfHost`.
    """

    def test_same(self) -> None:
        """
        A path is of every host; a URL of the one it names, with the same port.
        """
        for text, host in (
            ("/", "h"),
            ("//other/", "h"),
            ("http://h/", "H:80"),
            ("https://H:443/", "h"),
            ("http://[::1]:8080/", "[::1]:8080"),
        ):
            self.assertTrue(isOfHost(parseTarget(text), host), text)

    def test_other(self) -> None:
        """
        Of no other host, and of no other port.
        """
        for text, host in (
            ("http://h/", "other"),
            ("http://h/", "h:443"),
            ("https://h/", "h:80"),
            ("http://h:81/", "h"),
            ("http://h/", "["),
        ):
            self.assertFalse(isOfHost(parseTarget(text), host), text)
