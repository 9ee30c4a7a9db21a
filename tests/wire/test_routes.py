# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.wire.routes`.
"""

import re
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from txwebsocket.wire.routes import Route, decodeSegments, splitPath


class SplitPathTests(SynchronousTestCase):
    """
    Tests of :func:`splitPath` and :func:`decodeSegments`.
    """

    def test_segments(self) -> None:
        """
        A path is its segments, empty ones among them.
        """
        for path, expected in {
            b"/": [""],
            b"/chat": ["chat"],
            b"/chat/": ["chat", ""],
            b"/rooms/1": ["rooms", "1"],
            b"//a": ["", "a"],
            b"/a/../b": ["a", "..", "b"],
        }.items():
            self.assertEqual(splitPath(path), expected)

    def test_decoded(self) -> None:
        """
        Segments are decoded once, after they were split.
        """
        for path, expected in {
            b"/caf%C3%A9": ["café"],
            b"/a%2Fb/c": ["a/b", "c"],
            b"/a%252Fb": ["a%2Fb"],
            b"/%7Broom%7D": ["{room}"],
            b"/a+b%20c": ["a+b c"],
            b"/100%": ["100%"],
        }.items():
            self.assertEqual(splitPath(path), expected)

    def test_otherText(self) -> None:
        """
        A path that isn't UTF-8 has no segments that could fit a route.
        """
        for path in (b"/%FF", b"/a/%C3", b"/\xff", b"/%ED%A0%80"):
            self.assertIsNone(splitPath(path))

    def test_decodedBefore(self) -> None:
        """
        Segments that were decoded before are not decoded again.
        """
        self.assertEqual(
            decodeSegments([b"a%2Fb", "é".encode(), b""]), ["a%2Fb", "é", ""]
        )
        self.assertIsNone(decodeSegments([b"a", b"\xff"]))
        self.assertEqual(decodeSegments([]), [])


class RouteTests(SynchronousTestCase):
    """
    Tests of :class:`Route`.
    """

    def assertFits(self, pattern: Any, path: bytes, **parameters: str) -> None:
        """
        The path fits the pattern, with these parameters.
        """
        self.assertEqual(Route(pattern).match(splitPath(path)), parameters)

    def assertNoFit(self, pattern: Any, *paths: bytes) -> None:
        """
        None of these paths fits the pattern.
        """
        for path in paths:
            self.assertIsNone(Route(pattern).match(splitPath(path)), path)

    def test_literal(self) -> None:
        """
        A literal path fits itself alone, decoded.
        """
        self.assertFits("/", b"/")
        self.assertFits("/chat/café", b"/chat/caf%C3%A9")
        self.assertFits("/chat/", b"/chat/")
        self.assertNoFit("/chat", b"/", b"/chat/", b"/chat/x", b"/Chat", b"/chatx")
        self.assertNoFit("/a/b", b"/a%2Fb", b"/a", b"/a/../a/b")

    def test_parameters(self) -> None:
        """
        A name in braces stands for a whole segment that isn't empty.
        """
        self.assertFits("/rooms/{room}", b"/rooms/a%20b", room="a b")
        self.assertFits("/rooms/{room}", b"/rooms/a%2Fb", room="a/b")
        self.assertFits("/{a}/x/{b_2}", b"/1/x/2", a="1", b_2="2")
        self.assertNoFit("/rooms/{room}", b"/rooms", b"/rooms/", b"/rooms/a/", b"/x/a")
        self.assertNoFit("/{a}/x/{b}", b"/1/y/2")

    def test_any(self) -> None:
        """
        A star fits every path.
        """
        for path in (b"/", b"/a", b"/a/b/"):
            self.assertFits("*", path)

    def test_expression(self) -> None:
        """
        A compiled expression has to fit all of the path.
        """
        pattern = re.compile(r"/rooms/\d+")
        self.assertFits(pattern, b"/rooms/12")
        self.assertFits(re.compile(r"/caf."), b"/caf%C3%A9")
        self.assertNoFit(pattern, b"/rooms/12/", b"/x/rooms/12", b"/rooms/")

    def test_groups(self) -> None:
        """
        Its groups are parameters, by name or else by number; those that took no part
        are left out.
        """
        pattern = re.compile(r"/(?P<kind>\w+)/(\d+)(?:-(\d+))?")
        self.assertEqual(
            Route(pattern).match(["rooms", "12"]), {"kind": "rooms", "2": "12"}
        )
        self.assertEqual(
            Route(pattern).match(["rooms", "12-20"]),
            {"kind": "rooms", "2": "12", "3": "20"},
        )

    def test_mistakes(self) -> None:
        """
        What is no path is refused and shown.
        """
        for pattern in ("", "chat", "{room}", "**", "ws://h/chat"):
            error = self.assertRaises(ValueError, Route, pattern)
            self.assertIn(repr(pattern), str(error))

    def test_twice(self) -> None:
        """
        A parameter can't be there twice.
        """
        error = self.assertRaises(ValueError, Route, "/{a}/{b}/{a}")
        self.assertIn("twice", str(error))

    def test_otherTypes(self) -> None:
        """
        A pattern of another type is refused.
        """
        for pattern in (None, b"/chat", re.compile(b"/chat"), 1, ["/chat"]):
            error = self.assertRaises(TypeError, Route, pattern)
            self.assertIn(repr(pattern), str(error))
