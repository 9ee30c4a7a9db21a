# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.client.redirects`.
"""

from __future__ import annotations

from base64 import b64decode
from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from txwebsocket.client.client import makeHandshake
from txwebsocket.client.redirects import REDIRECTS, RedirectableRequest, makeKey
from txwebsocket.client.url import parseURL
from txwebsocket.config import ClientConfig
from txwebsocket.handshake.response import ResponseHead

URL = "ws://example.com/a/b?c=d"
SECURE = "wss://example.com/a"


def makeHop(url: str = URL, **more: Any) -> RedirectableRequest:
    """
    A first request.
    """
    target = parseURL(url)
    return RedirectableRequest(target, makeHandshake(target, ClientConfig(), **more))


def redirect(*locations: str | bytes) -> ResponseHead:
    """
    A response with these headers ``Location``.
    """
    octets = [
        each if isinstance(each, bytes) else each.encode("utf-8") for each in locations
    ]
    headers = tuple((b"location", each) for each in octets)
    return ResponseHead("1.1", 302, "Found", headers)


class HopTestCase(SynchronousTestCase):
    """
    What tests of hops need.
    """

    def assertRefused(self, told: str, *locations: str | bytes, url: str = URL) -> None:
        """
        There leads no redirect, and the error tells why.
        """
        hop = makeHop(url)
        error = self.assertRaises(ValueError, hop.after, redirect(*locations))
        self.assertIn(told, str(error))


class WhereTests(HopTestCase):
    """
    Tests of where redirects lead.
    """

    def test_statuses(self) -> None:
        """
        These statuses redirect, and no others: not a choice of several (300), nor a
        page that has not changed (304).
        """
        self.assertEqual(REDIRECTS, {301, 302, 303, 307, 308})

    def test_where(self) -> None:
        """
        A redirect is relative to the URL it answers, or has a URL of its own, of a page
        or of a WebSocket, in whatever case (RFC 9110, 10.2.2).
        """
        for location, url in {
            "/x": "ws://example.com/x",
            "x": "ws://example.com/a/x",
            "../x?y=z": "ws://example.com/x?y=z",
            "?x": "ws://example.com/a/b?x",
            "": "ws://example.com/a/b?c=d",
            ".": "ws://example.com/a/",
            "//other.example/x": "ws://other.example/x",
            "//other.example": "ws://other.example/",
            "ws://other.example:81/": "ws://other.example:81/",
            "http://other.example/": "ws://other.example/",
            "wss://example.com/": "wss://example.com/",
            "https://example.com": "wss://example.com/",
            "HTTPS://EXAMPLE.com:443/": "wss://example.com/",
            "http://example.com:80/": "ws://example.com/",
            "http://example.com:/": "ws://example.com/",
            "http://[::1]:81/": "ws://[::1]:81/",
            "http://b\xfccher.example/\xe9": "ws://xn--bcher-kva.example/%C3%A9",
        }.items():
            hop = makeHop().after(redirect(location))
            self.assertEqual(hop.target.url, url, location)
            self.assertEqual(hop.handshake.target, hop.target.resource)
            self.assertEqual(hop.handshake.host, hop.target.netloc)

    def test_zone(self) -> None:
        """
        The zone of our own URL is kept where the redirect leads to the same server. One
        that a server tells is one of ours that it can't know, and is not followed.
        """
        url = "ws://[fe80::1%25eth0]:81/a"
        headers = {"Authorization": "secret"}
        for location in ("/x", "x", "//[fe80::1]:81/x", "http://[FE80::1]:81/x"):
            hop = makeHop(url, headers=headers).after(redirect(location))
            self.assertEqual(hop.target.url, "ws://[fe80::1%25eth0]:81/x")
            self.assertEqual(hop.target.host, "fe80::1%eth0")
            self.assertEqual(hop.handshake.host, "[fe80::1]:81")
            self.assertIn(("Authorization", "secret"), hop.handshake.headers)
        for location in ("ws://[fe80::1%25eth0]:81/x", "http://[fe80::2%25lo]/"):
            self.assertRefused("zone", location)
            self.assertRefused("zone", location, url=url)

    def test_noHost(self) -> None:
        """
        A redirect leads to a host that is written as in any URL.
        """
        for location in ("http://[g]/", "//[example.com]/", "ws://127.1/"):
            self.assertRefused("", location)

    def test_otherPort(self) -> None:
        """
        The port of the URL is kept for what is relative, and for nothing else.
        """
        for location, url in {
            "/x": "ws://example.com:81/x",
            "//example.com/x": "ws://example.com/x",
            "//other.example/": "ws://other.example/",
        }.items():
            hop = makeHop("ws://example.com:81/").after(redirect(location))
            self.assertEqual(hop.target.url, url)

    def test_secure(self) -> None:
        """
        From TLS to TLS, and to it, whatever the scheme is called.
        """
        for location in ("/b", "//other/", "https://other/", "wss://other/"):
            hop = makeHop(SECURE).after(redirect(location))
            self.assertTrue(hop.target.isSecure)
            self.assertTrue(hop.target.url.startswith("wss:"))

    def test_neverInsecure(self) -> None:
        """
        No redirect leads from TLS to what everybody on the way can read.
        """
        for location in ("ws://example.com/", "http://example.com/", "HTTP://other/"):
            self.assertRefused("not secure", location, url=SECURE)

    def test_unixSocket(self) -> None:
        """
        What is relative stays at a UNIX socket; another host is not looked for there.
        """
        first = makeHop("ws+unix:/run/chat.sock:/a?b")
        for location in ("/c", "http://localhost/c"):
            target = first.after(redirect(location)).target
            self.assertEqual(target.url, "ws+unix:/run/chat.sock:/c")
            self.assertEqual(target.socketPath, "/run/chat.sock")
        target = first.after(redirect("http://other.example/c")).target
        self.assertEqual(target.url, "ws://other.example/c")
        self.assertIsNone(target.socketPath)

    def test_fragment(self) -> None:
        """
        A fragment is for who shows a page: it is left out.
        """
        for location in ("/x#top", "http://example.com/x#", "/x#a/b?c"):
            hop = makeHop().after(redirect(location))
            self.assertEqual(hop.target.url, "ws://example.com/x")

    def test_otherSchemes(self) -> None:
        """
        Where there can't be a WebSocket nobody is led, least of all to a file or a
        socket of this machine.
        """
        for location in (
            "ftp://example.com/",
            "file:///etc/passwd",
            "ws+unix:/run/docker.sock",
            "unix:///run/docker.sock",
            "javascript:alert(1)",
            "mailto:ada@example.com",
        ):
            self.assertRefused("no WebSocket", location)

    def test_user(self) -> None:
        """
        A redirect with a user or password is not followed: it is there to deceive
        (RFC 9110, 4.2.4). Nor is it shown.
        """
        for location in (
            "http://ada:hunter2@example.com/",
            "//hunter2@example.com/",
            "http://example.com@other.example/",
            "http://@example.com/",
        ):
            self.assertRefused("user or password", location)
            error = self.assertRaises(ValueError, makeHop().after, redirect(location))
            self.assertNotIn("hunter2", str(error))

    def test_notOne(self) -> None:
        """
        One that leads nowhere, or to two places, is not followed.
        """
        self.assertRefused("0 headers Location")
        self.assertRefused("2 headers Location", "/a", "/b")

    def test_broken(self) -> None:
        """
        One that is no URL is not followed.
        """
        for location in (
            "http://[::1/",
            "http://",
            "http:x",
            "http:///x",
            "http://a b/",
            "http://example.com:port/",
            "http://example.com:0/",
            "http://example.com:99999/",
            "http://a..b/",
            "http://[fe80::1%25eth0]/",
            b"/\xff",
        ):
            self.assertRefused("", location)

    def test_noInjection(self) -> None:
        """
        No character of a redirect can end the request line or a header of the next
        request.
        """
        for code in [*range(0x21), 0x7F, 0x85, 0xA0, 0x2028, 0x10FFFF]:
            for place in ("/{}", "/a{}HTTP/1.1", "?{}", "//ot{}her/", "//{}/"):
                location = place.format(chr(code))
                try:
                    hop = makeHop().after(redirect(location))
                except ValueError:
                    continue
                head = hop.handshake.request()
                self.assertEqual(len(head.split(b"\r\n")), 9, ascii(location))
                self.assertEqual(len(head.splitlines()), 8, ascii(location))
                self.assertEqual(len(head.split(b"\r\n")[0].split(b" ")), 3)


class WhatTests(HopTestCase):
    """
    Tests of what is asked there.
    """

    given = (
        ("Authorization", "Bearer x"),
        ("Cookie", "sid=1"),
        ("Proxy-Authorization", "Basic x"),
        ("X-Api-Key", "x"),
        ("Host", "virtual.example"),
        ("User-Agent", "mine/1"),
    )

    def test_same(self) -> None:
        """
        At the same scheme, host and port all is sent again, but for the key.
        """
        for location in ("/x", "http://example.com/x", "ws://EXAMPLE.COM:80/x"):
            first = makeHop("ws://ada:pw@example.com/", headers=self.given)
            hop = first.after(redirect(location))
            self.assertEqual(hop.target.url, "ws://example.com/x")
            self.assertEqual(hop.target.authorization, first.target.authorization)
            key = hop.handshake.key
            self.assertNotEqual(key, first.handshake.key)
            expected = replace(first.handshake, key=key, target="/x")
            self.assertEqual(hop.handshake, expected)
            self.assertEqual(hop.handshake.host, "virtual.example")

    def test_other(self) -> None:
        """
        To another scheme, host or port go none of the caller's headers but the name of
        its program, no user or password, and that server's own ``Host``.
        """
        for location in (
            "http://other.example/x",
            "http://www.example.com/x",
            "http://example.com:81/x",
            "https://example.com/x",
            "//other.example/x",
        ):
            first = makeHop("ws://ada:pw@example.com/", headers=self.given)
            hop = first.after(redirect(location))
            self.assertIsNone(hop.target.authorization)
            self.assertEqual(hop.handshake.headers, (("User-Agent", "mine/1"),))
            self.assertEqual(hop.handshake.host, hop.target.netloc)
            self.assertNotIn(b"virtual", hop.handshake.request())

    def test_userinfo(self) -> None:
        """
        Nor the authorization that was made of a user and password.
        """
        hop = makeHop("ws://ada:pw@example.com/").after(redirect("//other/"))
        self.assertNotIn(b"Authorization", hop.handshake.request())
        hop = makeHop("ws://ada:pw@example.com/").after(redirect("/x"))
        self.assertIn(b"Authorization", hop.handshake.request())

    def test_offers(self) -> None:
        """
        What is offered, and the origin of the page, are the same everywhere.
        """
        first = makeHop(protocols=["v2", "v1"], origin="https://page.example")
        for location in ("/x", "//other/"):
            hop = first.after(redirect(location))
            self.assertEqual(hop.handshake.protocols, ("v2", "v1"))
            self.assertEqual(hop.handshake.origin, "https://page.example")

    def test_notBack(self) -> None:
        """
        What one server was not told comes back nowhere, not even at the first.
        """
        hop = makeHop(headers=self.given).after(redirect("//other/"))
        back = hop.after(redirect(URL))
        self.assertEqual(back.target.url, URL)
        self.assertEqual(back.handshake.headers, (("User-Agent", "mine/1"),))

    def test_key(self) -> None:
        """
        Each request has a key of its own, of 16 bytes.
        """
        keys = {makeKey() for _ in range(50)}
        self.assertEqual(len(keys), 50)
        self.assertEqual({len(b64decode(key)) for key in keys}, {16})

    def test_repr(self) -> None:
        """
        What shows a hop shows nothing secret of it.
        """
        hop = makeHop("ws://ada:hunter2@h/", headers={"X-Api-Key": "hunter2"})
        secret = hop.target.authorization or "?"
        for each in (hop, hop.after(redirect("/x"))):
            self.assertNotIn("hunter2", repr(each))
            self.assertNotIn(secret.removeprefix("Basic "), repr(each))
