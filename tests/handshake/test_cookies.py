# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.handshake.cookies`.
"""

from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from txwebsocket.handshake.cookies import Cookie

NOON = datetime(2026, 11, 22, 12, 30, 15, tzinfo=UTC)


class CookieTests(SynchronousTestCase):
    """
    Tests of :class:`Cookie`.
    """

    def assertRefused(self, told: str, name: Any, value: Any, **options: Any) -> None:
        """
        No such cookie can be made, and the complaint names what it is about.
        """
        error = self.assertRaises(ValueError, Cookie, name, value, **options)
        self.assertIn(f"can't be the {told} of a cookie: it must be", str(error))

    def test_plain(self) -> None:
        """
        A cookie is a name and a value; nothing else is said unless asked for.
        """
        self.assertEqual(Cookie("seen", "1").header(), "seen=1")
        self.assertEqual(Cookie("seen", "").header(), "seen=")
        self.assertEqual(Cookie("seen", '"1"').header(), 'seen="1"')

    def test_everything(self) -> None:
        """
        Each attribute is written as RFC 6265 has it, the domain in lower case.
        """
        cookie = Cookie(
            "sid",
            "abc",
            path="/chat",
            domain="Example.COM",
            expires=NOON,
            maxAge=3600,
            secure=True,
            httpOnly=True,
            sameSite="Lax",
        )
        self.assertEqual(
            cookie.header(),
            "sid=abc; Path=/chat; Domain=example.com; "
            "Expires=Sun, 22 Nov 2026 12:30:15 GMT; Max-Age=3600; SameSite=Lax; "
            "Secure; HttpOnly",
        )

    def test_oneByOne(self) -> None:
        """
        Each attribute can stand alone.
        """
        for options, expected in (
            ({"path": "/"}, "Path=/"),
            ({"domain": ".example.com"}, "Domain=.example.com"),
            ({"secure": True}, "Secure"),
            ({"httpOnly": True}, "HttpOnly"),
            ({"sameSite": "Strict"}, "SameSite=Strict"),
            ({"sameSite": "None"}, "SameSite=None"),
        ):
            self.assertEqual(Cookie("a", "b", **options).header(), f"a=b; {expected}")

    def test_delete(self) -> None:
        """
        A cookie is deleted with a lifetime of nothing.
        """
        self.assertEqual(Cookie("sid", "", maxAge=0).header(), "sid=; Max-Age=0")
        self.assertEqual(Cookie("sid", "", maxAge=-1).header(), "sid=; Max-Age=-1")

    def test_timeZones(self) -> None:
        """
        A time of expiry is told in GMT, whatever zone it was given in.
        """
        zone = timezone(timedelta(hours=5, minutes=30))
        cookie = Cookie("a", "b", expires=NOON.astimezone(zone))
        self.assertIn("Expires=Sun, 22 Nov 2026 12:30:15 GMT", cookie.header())

    def test_names(self) -> None:
        """
        A name is a token.
        """
        for name in ("", "a b", "a=b", "a;b", "grün", "a\n", None, b"a", 1):
            self.assertRefused("name", name, "1")

    def test_values(self) -> None:
        """
        A value has no character that would end it, escape from it or forge a header.
        """
        accepted = {chr(n) for n in range(0x21, 0x7F)} - set('",;\\')
        for n in range(0x180):
            if chr(n) in accepted:
                self.assertEqual(Cookie("a", chr(n)).header(), f"a={chr(n)}")
            else:
                self.assertRefused("value", "a", chr(n))

    def test_valuesWhole(self) -> None:
        """
        Quotes stand around a value or nowhere, and a value is a string.
        """
        for value in ('"a', 'a"', '"a"b', '"a"b"', '"a;b"', "a\r\nX: y", b"a", 1, None):
            self.assertRefused("value", "a", value)

    def test_texts(self) -> None:
        """
        Path and domain can't smuggle in another attribute or another header.
        """
        for name in ("path", "domain"):
            for text in ("", "/; Secure", "/\r\nX: y", "/\n", "/é", b"/", 1):
                self.assertRefused(name, "a", "b", **{name: text})

    def test_expiry(self) -> None:
        """
        A time of expiry has a time zone, as no one could know what it means without.
        """
        naive = NOON.replace(tzinfo=None)
        for when in (naive, NOON.date(), NOON.timetz(), 3600, str(NOON)):
            self.assertRefused("expires", "a", "b", expires=when)

    def test_maxAge(self) -> None:
        """
        A lifetime is a whole number of seconds.
        """
        for seconds in (1.5, "1", True, timedelta(1)):
            self.assertRefused("maxAge", "a", "b", maxAge=seconds)

    def test_flags(self) -> None:
        """
        The flags are true or false, nothing that merely looks so.
        """
        for name in ("secure", "httpOnly"):
            for flag in (1, 0, "yes", None):
                self.assertRefused(name, "a", "b", **{name: flag})

    def test_sameSite(self) -> None:
        """
        SameSite is one of three words.
        """
        for word in ("lax", "", "Lax; Secure", True, 1):
            self.assertRefused("sameSite", "a", "b", sameSite=word)

    def test_value(self) -> None:
        """
        A cookie is a value: equal to its like, and never changed.
        """
        self.assertEqual(Cookie("a", "b", path="/"), Cookie("a", "b", path="/"))
        self.assertNotEqual(Cookie("a", "b"), Cookie("a", "c"))
        self.assertRaises(FrozenInstanceError, setattr, Cookie("a", "b"), "value", "c")
