# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.handshake.paths`.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from twisted.trial.unittest import SynchronousTestCase

from txwebsocket.handshake.paths import (
    MountPath,
    PathPattern,
    decodeSegments,
    splitPath,
)


def matched(pattern: MountPath, path: bytes) -> dict[str, str] | None:
    """
    What a route finds in the path of a request.
    """
    segments = splitPath(path)
    return None if segments is None else PathPattern(pattern).match(segments)


class SplitPathTests(SynchronousTestCase):
    """
    Tests of :func:`splitPath`.
    """

    def test_segments(self) -> None:
        """
        A path is cut at its slashes; those at its end and in a row count as well.
        """
        for path, segments in (
            (b"/", [""]),
            (b"/a", ["a"]),
            (b"/a/", ["a", ""]),
            (b"/a/b", ["a", "b"]),
            (b"//", ["", ""]),
            (b"/a//b", ["a", "", "b"]),
        ):
            self.assertEqual(splitPath(path), segments, path)

    def test_decoded(self) -> None:
        """
        What is percent-encoded comes out as the text it stands for.
        """
        self.assertEqual(splitPath(b"/caf%C3%A9/a%20b"), ["café", "a b"])
        self.assertEqual(splitPath(b"/caf\xc3\xa9"), ["café"])
        self.assertEqual(splitPath(b"/%61%2e%2E"), ["a.."])
        self.assertEqual(splitPath(b"/a+b"), ["a+b"])

    def test_once(self) -> None:
        """
        What was encoded twice is decoded once.
        """
        self.assertEqual(splitPath(b"/%2561"), ["%61"])
        self.assertEqual(splitPath(b"/%252F"), ["%2F"])

    def test_encodedSlash(self) -> None:
        """
        A slash that is percent-encoded is part of its segment.
        """
        self.assertEqual(splitPath(b"/a%2Fb/c%2f"), ["a/b", "c/"])

    def test_notEncoded(self) -> None:
        """
        A percent sign that encodes nothing stands for itself.
        """
        self.assertEqual(splitPath(b"/100%/%zz/%4"), ["100%", "%zz", "%4"])

    def test_notText(self) -> None:
        """
        A path that is not UTF-8 has no segments that anybody could name.
        """
        for path in (b"/%FF", b"/a/%C3", b"/\xff/b", b"/%ED%A0%80"):
            self.assertIsNone(splitPath(path), path)


class DecodeSegmentsTests(SynchronousTestCase):
    """
    Tests of :func:`decodeSegments`.
    """

    def test_decoded(self) -> None:
        """
        What twisted.web has percent-decoded is not decoded again.
        """
        self.assertEqual(
            decodeSegments([b"caf\xc3\xa9", b"%61", b"a/b", b""]),
            ["café", "%61", "a/b", ""],
        )
        self.assertEqual(decodeSegments([]), [])

    def test_notText(self) -> None:
        """
        One segment that is not UTF-8 spoils the whole path.
        """
        self.assertIsNone(decodeSegments([b"a", b"\xff", b"b"]))


class LiteralTests(SynchronousTestCase):
    """
    Tests of :class:`PathPattern` with a path that has no parameters.
    """

    def test_match(self) -> None:
        """
        A path is for itself and has no parameters.
        """
        for path in ("/", "/chat", "/a/b/c", "/chat/", "/café", "/a.b", "/a+(b)"):
            self.assertEqual(matched(path, path.encode()), {}, path)

    def test_noMatch(self) -> None:
        """
        A path is for no other, be it longer, shorter or written in another case.
        """
        for path in (
            b"/",
            b"/cha",
            b"/chats",
            b"/Chat",
            b"/chat/",
            b"//chat",
            b"/chat/room",
            b"/room/chat",
        ):
            self.assertIsNone(matched("/chat", path), path)

    def test_noExpression(self) -> None:
        """
        What would be special in an expression is not in a path.
        """
        self.assertIsNone(matched("/a.b", b"/axb"))
        self.assertIsNone(matched("/a*", b"/aaa"))
        self.assertIsNone(matched("/.*", b"/chat"))

    def test_encoded(self) -> None:
        """
        However a client encodes a path, it is the same one.
        """
        self.assertEqual(matched("/café", b"/caf%C3%A9"), {})
        self.assertEqual(matched("/café", b"/%63%61%66%c3%a9"), {})

    def test_encodedSlash(self) -> None:
        """
        A slash that is percent-encoded separates nothing.
        """
        self.assertIsNone(matched("/a/b", b"/a%2Fb"))
        self.assertIsNone(matched("/a%2Fb", b"/a%2Fb"))


class ParameterTests(SynchronousTestCase):
    """
    Tests of :class:`PathPattern` with ``{name}`` in its path.
    """

    def test_match(self) -> None:
        """
        A name in braces stands for one segment, and tells it.
        """
        self.assertEqual(matched("/{room}", b"/lobby"), {"room": "lobby"})
        self.assertEqual(matched("/rooms/{room}", b"/rooms/lobby"), {"room": "lobby"})
        self.assertEqual(
            matched("/{a}/x/{_b2}", b"/1/x/2"),
            {"a": "1", "_b2": "2"},
        )

    def test_noMatch(self) -> None:
        """
        It stands for neither more nor fewer segments than one.
        """
        for path in (b"/rooms", b"/rooms/a/b", b"/rooms/a/", b"/room/a", b"/rooms//a"):
            self.assertIsNone(matched("/rooms/{room}", path), path)

    def test_empty(self) -> None:
        """
        It stands for no empty segment.
        """
        self.assertIsNone(matched("/{room}", b"/"))
        self.assertIsNone(matched("/rooms/{room}", b"/rooms/"))
        self.assertIsNone(matched("/{a}/{b}", b"//b"))

    def test_decoded(self) -> None:
        """
        It tells what the client meant: decoded, once, a slash included.
        """
        for path, room in (
            (b"/caf%C3%A9", "café"),
            (b"/a%2Fb", "a/b"),
            (b"/%2F", "/"),
            (b"/%252F", "%2F"),
            (b"/%7Broom%7D", "{room}"),
        ):
            self.assertEqual(matched("/{room}", path), {"room": room}, path)

    def test_slashAtEnd(self) -> None:
        """
        A slash at the end of the route has to be there in the request.
        """
        self.assertEqual(matched("/{room}/", b"/lobby/"), {"room": "lobby"})
        self.assertIsNone(matched("/{room}/", b"/lobby"))

    def test_fresh(self) -> None:
        """
        What one request is told is not changed by the next.
        """
        route = PathPattern("/{room}")
        first = route.match(["lobby"])
        self.assertEqual(route.match(["attic"]), {"room": "attic"})
        self.assertEqual(first, {"room": "lobby"})


class AnyTests(SynchronousTestCase):
    """
    Tests of :class:`PathPattern` with an asterisk.
    """

    def test_match(self) -> None:
        """
        An asterisk is for every path, and tells nothing of it.
        """
        for path in (b"/", b"/a", b"/a/b/c/", b"//", b"/%2F", b"/caf%C3%A9", b"/a%0Ab"):
            self.assertEqual(matched("*", path), {}, path)

    def test_literal(self) -> None:
        """
        An asterisk in a path is one.
        """
        self.assertEqual(matched("/*", b"/*"), {})
        self.assertIsNone(matched("/*", b"/chat"))


class ExpressionTests(SynchronousTestCase):
    """
    Tests of :class:`PathPattern` with a compiled expression.
    """

    def assertFinds(
        self, expression: str, path: bytes, *found: dict[str, str], flags: int = 0
    ) -> None:
        """
        An expression fits a path and finds this, or does not fit.
        """
        expected = found[0] if found else None
        self.assertEqual(matched(re.compile(expression, flags), path), expected)

    def test_wholePath(self) -> None:
        """
        An expression has to fit the whole path, from the slash at its beginning on.
        """
        self.assertFinds("/chat", b"/chat", {})
        self.assertFinds("/chat", b"/chats")
        self.assertFinds("/chat", b"/a/chat")
        self.assertFinds("chat", b"/chat")
        self.assertFinds("/chat|/talk", b"/talk", {})
        self.assertFinds("/chat|/talk", b"/talks")
        self.assertFinds("/", b"/", {})
        self.assertFinds("/a/", b"/a/", {})
        self.assertFinds("/a/", b"/a")

    def test_groups(self) -> None:
        """
        What its groups have found is told by their names; those without one have their
        number.
        """
        self.assertFinds(
            r"/(?P<room>[a-z]+)/([0-9]+)/(?P<who>.*)",
            b"/lobby/12/ada/x",
            {"room": "lobby", "2": "12", "who": "ada/x"},
        )
        self.assertFinds("/(.*)", b"/", {"1": ""})

    def test_optionalGroups(self) -> None:
        """
        A group that took no part is not told, so that ``parameters.get(name, default)``
        works, and what is told is always text.
        """
        expression = r"/a(?:/(?P<b>\w+))?(/)?"
        self.assertFinds(expression, b"/a/b", {"b": "b"})
        self.assertFinds(expression, b"/a/b/", {"b": "b", "2": "/"})
        self.assertFinds(expression, b"/a", {})

    def test_flags(self) -> None:
        """
        The flags it was compiled with count.
        """
        self.assertFinds("/CHAT", b"/chat")
        self.assertFinds("/CHAT", b"/chat", {}, flags=re.IGNORECASE)
        self.assertFinds("/ (.) # one", b"/a", {"1": "a"}, flags=re.VERBOSE)
        self.assertFinds(r"/\w", b"/%C3%A9", {})
        self.assertFinds(r"/\w", b"/%C3%A9", flags=re.ASCII)

    def test_decoded(self) -> None:
        """
        It is shown the path decoded, once.
        """
        self.assertFinds("/(café)", b"/caf%C3%A9", {"1": "café"})
        self.assertFinds("/(.+)", b"/%2561", {"1": "%61"})

    def test_encodedSlash(self) -> None:
        """
        No expression sees more segments in a path than it has: a slash that is
        percent-encoded separates nothing here either.
        """
        self.assertFinds("/a/b", b"/a%2Fb")
        self.assertFinds("/([^/]+)/([^/]+)", b"/a%2Fb")

    def test_encodedSlashTold(self) -> None:
        """
        What its groups have found is told with the slash; no other character is taken
        for one.
        """
        self.assertFinds("/([^/]+)/(.)", b"/a%2Fb/c", {"1": "a/b", "2": "c"})
        for character in "\uffff\0\ufffd\u2044":
            path = b"/" + quote(character).encode()
            self.assertFinds("/(.)", path, {"1": character})

    def test_stateless(self) -> None:
        """
        An expression finds the same each time.
        """
        route = PathPattern(re.compile("/(a+)"))
        for _ in range(3):
            self.assertEqual(route.match(["aa"]), {"1": "aa"})


class MistakeTests(SynchronousTestCase):
    """
    Tests of what is no pattern.
    """

    def test_noPaths(self) -> None:
        """
        A text that is no path is refused, and named.
        """
        for pattern in ("", "chat", "chat/room", "**", "*/a", "{room}", " /chat", "?"):
            error = self.assertRaises(ValueError, PathPattern, pattern)
            self.assertIn(repr(pattern), str(error))

    def test_otherThings(self) -> None:
        """
        What is neither text nor an expression for text is refused, and named.
        """
        things: tuple[Any, ...] = (None, b"/chat", re.compile(b"/chat"), 1, ["/chat"])
        for thing in things:
            error = self.assertRaises(TypeError, PathPattern, thing)
            self.assertIn(repr(thing), str(error))

    def test_braces(self) -> None:
        """
        Braces that don't enclose a whole segment with a name are a slip, which is
        refused. The error says what a name may look like.
        """
        for segment in (
            "{room-id}",
            "a{name}",
            "{name}a",
            "{}",
            "{a b}",
            "{1}",
            "{é}",
            "{{name}}",
            "{name",
            "name}",
            "{a}{b}",
        ):
            path = f"/rooms/{segment}/x"
            error = self.assertRaises(ValueError, PathPattern, path)
            for words in (repr(segment), repr(path), "letters, digits and underscores"):
                self.assertIn(words, str(error))
        self.assertEqual(matched(re.compile(r"/(\{.*\})"), b"/{}"), {"1": "{}"})

    def test_parameterTwice(self) -> None:
        """
        A parameter can't be two segments.
        """
        error = self.assertRaises(ValueError, PathPattern, "/{a}/{b}/{a}")
        self.assertIn("/{a}/{b}/{a}", str(error))
        self.assertEqual(matched("/{a}/{A}/a", b"/1/2/a"), {"a": "1", "A": "2"})
