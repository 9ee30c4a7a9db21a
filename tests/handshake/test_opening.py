# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.handshake.opening`.
"""

from dataclasses import FrozenInstanceError
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.support.backwards import Backwards
from txwebsocket.handshake.opening import (
    ClientHandshake,
    HandshakeRequest,
    acceptFor,
    checkHeaders,
    checkProtocols,
    formatAcceptResponse,
    isUpgrade,
    readRequest,
)
from txwebsocket.handshake.response import parseHead
from txwebsocket.wire.errors import BadResponse, UpgradeRefused
from txwebsocket.wire.grammar import ExtensionHeader

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

Headers = list[tuple[bytes, bytes]]

REQUEST: Headers = [
    (b"Host", b"server.example.com"),
    (b"Upgrade", b"websocket"),
    (b"Connection", b"Upgrade"),
    (b"Sec-WebSocket-Key", KEY.encode()),
    (b"Sec-WebSocket-Version", b"13"),
]
"""
As little as a client has to say.
"""


def withHeader(name: bytes, *values: bytes, headers: Headers = REQUEST) -> Headers:
    """
    The headers of a request, with these values of one in place of those it had.
    """
    others = [header for header in headers if header[0] != name]
    return others + [(name, value) for value in values]


def read(headers: Headers) -> HandshakeRequest:
    """
    What a request with these headers offers.
    """
    return readRequest(b"GET", b"/", b"HTTP/1.1", headers)


class AcceptForTests(SynchronousTestCase):
    """
    Tests of :func:`acceptFor`.
    """

    def test_example(self) -> None:
        """
        The example of RFC 6455, 1.3 comes out.
        """
        self.assertEqual(acceptFor(KEY), ACCEPT)


class CheckHeadersTests(SynchronousTestCase):
    """
    Tests of :func:`checkHeaders`.
    """

    def assertRefused(self, name: str, value: str, told: str) -> None:
        """
        This header can't be added, and the error says why.
        """
        headers = [("X-Fine", "yes"), (name, value)]
        error = self.assertRaises(ValueError, checkHeaders, headers)
        self.assertIn(told, str(error))

    def test_accepted(self) -> None:
        """
        Any other header may be added, with any text that a header can have.
        """
        self.assertIsNone(
            checkHeaders(
                [
                    ("Authorization", "Bearer abc"),
                    ("X-Empty", ""),
                    ("X-Tab", "a\tb"),
                    ("X-Latin", "für"),
                    ("x!#$%&'*+-.^_`|~9", "1"),
                ]
            )
        )
        self.assertIsNone(checkHeaders([]))

    def test_names(self) -> None:
        """
        A name that could end the header, or start another, is refused.
        """
        for name in ("", "X Y", "X:", "X\r\nY", "X\n", "Ä", "\x00"):
            self.assertRefused(name, "1", f"{name!r} is not the name of a header")

    def test_values(self) -> None:
        """
        So is a value with a control character, or with one that Latin-1 has not.
        """
        forged = ("a\r\nX-Forged: 1", "a\n", "\r", "\x00", "\x7f")
        for value in (*forged, "\u0100", "€", "\ud800"):
            self.assertRefused("X-Mine", value, "the value of X-Mine ")

    def test_secret(self) -> None:
        """
        A value is not shown, since it may be secret; what is wrong with it is.
        """
        for value, told in {
            "hunter2\n": r"can't have '\n' in it",
            "hunter2\u20ac": "can't have '\u20ac' in it",
            " hunter2": "begins or ends with a space",
        }.items():
            headers = [("Authorization", value)]
            error = self.assertRaises(ValueError, checkHeaders, headers)
            self.assertEqual(str(error), f"the value of Authorization {told}")

    def test_ours(self) -> None:
        """
        The headers that make the handshake can't be given, in no case, as there would
        be two of them.
        """
        for name in (
            "Connection",
            "Upgrade",
            "Content-Length",
            "Transfer-Encoding",
            "Sec-WebSocket-Accept",
            "Sec-WebSocket-Extensions",
            "Sec-WebSocket-Key",
            "Sec-WebSocket-Protocol",
            "Sec-WebSocket-Version",
        ):
            for spelling in (name, name.lower(), name.upper()):
                self.assertRefused(spelling, "1", f"{spelling} can't be given: ")


class CheckProtocolsTests(SynchronousTestCase):
    """
    Tests of :func:`checkProtocols`.
    """

    def test_accepted(self) -> None:
        """
        Any tokens may be offered, those that differ in case as well.
        """
        self.assertIsNone(checkProtocols(["chat", "Chat", "v1.chat.example.com"]))
        self.assertIsNone(checkProtocols([]))

    def test_names(self) -> None:
        """
        What is no token is refused and shown.
        """
        for name in ("", "two words", "a,b", "chat\r\n", "grün", "a/b", '"a"'):
            error = self.assertRaises(ValueError, checkProtocols, ["fine", name])
            self.assertIn(repr(name), str(error))

    def test_twice(self) -> None:
        """
        So is one that is there twice.
        """
        error = self.assertRaises(ValueError, checkProtocols, ["a", "b", "a"])
        self.assertEqual(str(error), "the subprotocol 'a' is there twice")


class IsUpgradeTests(SynchronousTestCase):
    """
    Tests of :func:`isUpgrade`.
    """

    def test_upgrade(self) -> None:
        """
        A request that names websocket in Upgrade wants one, in any case, among others.
        """
        for values in ([b"websocket"], [b"WebSocket"], [b"h2c, websocket"]):
            self.assertTrue(isUpgrade(values, []), values)
        self.assertTrue(isUpgrade([b"h2c", b"websocket"], []))

    def test_key(self) -> None:
        """
        A key is enough: a proxy may have dropped the Upgrade.
        """
        self.assertTrue(isUpgrade([], [b"key"]))

    def test_others(self) -> None:
        """
        Other requests are left to other pages.
        """
        for values in ([], [b""], [b"h2c"], [b"notwebsocket"], [b"websocketx"], [b"("]):
            self.assertFalse(isUpgrade(values, []), values)


class ReadRequestTests(SynchronousTestCase):
    """
    Tests of :func:`readRequest` with what a client may ask for.
    """

    def test_least(self) -> None:
        """
        The least a client has to say makes an offer without wishes.
        """
        self.assertEqual(
            read(REQUEST),
            HandshakeRequest(
                version=13,
                key=KEY,
                host="server.example.com",
                origin=None,
                protocols=(),
                extensions=(),
            ),
        )

    def test_most(self) -> None:
        """
        All that a client may say is in the offer, as it came.
        """
        more = [
            (b"Origin", b"https://Example.com"),
            (b"Sec-WebSocket-Protocol", b"Chat, superchat"),
            (
                b"Sec-WebSocket-Extensions",
                b"permessage-deflate; client_max_window_bits",
            ),
            (b"Sec-WebSocket-Protocol", b"chat"),
            (b"Sec-WebSocket-Extensions", b'x-other; level="9"'),
            (b"User-Agent", b"test"),
        ]
        offer = read(REQUEST + more)
        self.assertEqual(offer.origin, "https://Example.com")
        self.assertEqual(offer.protocols, ("Chat", "superchat", "chat"))
        self.assertEqual(
            offer.extensions,
            (
                ExtensionHeader(
                    "permessage-deflate", (("client_max_window_bits", None),)
                ),
                ExtensionHeader("x-other", (("level", "9"),)),
            ),
        )

    def test_frozen(self) -> None:
        """
        What was asked for is a fact: nobody can change it.
        """
        self.assertRaises(FrozenInstanceError, setattr, read(REQUEST), "host", "other")

    def test_case(self) -> None:
        """
        Names of headers, websocket and upgrade may be in any case.
        """
        headers = withHeader(b"Upgrade", b"WebSocket")
        headers = withHeader(b"Connection", b"keep-alive, UPGRADE", headers=headers)
        headers = [(name.swapcase(), value) for name, value in headers]
        self.assertEqual(read(headers), read(REQUEST))

    def test_lists(self) -> None:
        """
        Upgrade and Connection are lists, over as many lines as they like.
        """
        for headers in (
            withHeader(b"Connection", b"keep-alive", b"Upgrade"),
            withHeader(b"Connection", b"keep-alive,, upgrade ,"),
            withHeader(b"Upgrade", b"h2c, websocket"),
            withHeader(b"Upgrade", b"h2c", b"websocket"),
        ):
            self.assertEqual(read(headers), read(REQUEST))

    def test_upgradeVersions(self) -> None:
        """
        What else is offered in Upgrade may have a version (RFC 9110, 7.8).
        """
        headers = withHeader(b"Upgrade", b"HTTP/2.0, websocket")
        self.assertEqual(read(headers), read(REQUEST))
        self.assertTrue(isUpgrade([b"websocket, HTTP/2.0"], []))

    def test_versions(self) -> None:
        """
        Versions 13 and 8 are spoken, each with its own header for the origin.
        """
        origins = [(b"Origin", b"https://a"), (b"Sec-WebSocket-Origin", b"https://b")]
        for version, expected in ((13, "https://a"), (8, "https://b")):
            headers = withHeader(b"Sec-WebSocket-Version", b"%d" % version)
            offer = read(headers + origins)
            self.assertEqual((offer.version, offer.origin), (version, expected))
            self.assertIsNone(read(headers).origin)

    def test_emptyOrigin(self) -> None:
        """
        An empty origin isn't the same as none: it comes from a browser that hides it.
        """
        self.assertEqual(read(withHeader(b"Origin", b"")).origin, "")

    def test_emptyLists(self) -> None:
        """
        Lists without elements are as good as none.
        """
        headers = withHeader(b"Sec-WebSocket-Protocol", b"", b" , ")
        headers = withHeader(b"Sec-WebSocket-Extensions", b"", headers=headers)
        self.assertEqual(read(headers), read(REQUEST))

    def test_emptyBody(self) -> None:
        """
        A client may say that there is no body.
        """
        self.assertEqual(read(withHeader(b"Content-Length", b"0")), read(REQUEST))

    def test_oddValues(self) -> None:
        """
        Headers that are none of ours may have whatever a header can have.
        """
        headers = [*REQUEST, (b"Cookie", b"a=\xff\xfe; b"), (b"X\xe9", b"\t")]
        self.assertEqual(read(headers), read(REQUEST))


class RefusedRequestTests(SynchronousTestCase):
    """
    Tests of :func:`readRequest` with what breaks RFC 6455, 4.2.1.
    """

    def refusal(
        self, headers: Headers, method: bytes = b"GET", version: bytes = b"HTTP/1.1"
    ) -> UpgradeRefused:
        """
        How this request is refused.
        """
        error = self.assertRaises(
            UpgradeRefused, readRequest, method, b"/", version, headers
        )
        self.assertTrue(error.explanation.endswith(".") or ":" in error.explanation)
        return error

    def assertBad(self, headers: Headers, told: str) -> None:
        """
        This request is answered 400, in words that name the fault.
        """
        error = self.refusal(headers)
        self.assertEqual(error.status, 400, error)
        self.assertIn(told, error.explanation)

    def assertVersions(self, error: UpgradeRefused) -> None:
        """
        The answer tells what is spoken here.
        """
        self.assertIn(("Sec-WebSocket-Version", "13, 8"), error.headers)

    def test_methods(self) -> None:
        """
        With any method but GET the answer is 405, and says that GET it has to be.
        """
        for method in (b"POST", b"HEAD", b"OPTIONS", b"CONNECT", b"get", b""):
            error = self.refusal(REQUEST, method=method)
            self.assertEqual(error.status, 405)
            self.assertEqual(error.headers, (("Allow", "GET"),))

    def test_httpVersions(self) -> None:
        """
        An older or unknown HTTP can't be upgraded.
        """
        for version in (b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2", b"http/1.1", b""):
            error = self.refusal(REQUEST, version=version)
            self.assertEqual(error.status, 400)
            self.assertIn("HTTP/1.1", error.explanation)

    def test_upgrade(self) -> None:
        """
        Without the right Upgrade the answer is 426 with all that would have been right.
        """
        for values in ([], [b""], [b"h2c"], [b"notwebsocket"], [b"web socket"], [b"("]):
            error = self.refusal(withHeader(b"Upgrade", *values))
            self.assertEqual(error.status, 426, values)
            self.assertIn(("Upgrade", "websocket"), error.headers)
            self.assertVersions(error)
            self.assertIn("Upgrade: websocket", error.explanation)

    def test_connection(self) -> None:
        """
        Connection has to name the upgrade, as a token of its own.
        """
        for values in ([], [b""], [b"close"], [b"notupgrade"], [b"up grade"], [b"("]):
            self.assertBad(withHeader(b"Connection", *values), "Connection: Upgrade")

    def test_host(self) -> None:
        """
        There is one Host, and it isn't empty.
        """
        for values in ([], [b""], [b"a", b"a"], [b"a", b"b"]):
            self.assertBad(withHeader(b"Host", *values), "Host")

    def test_badHost(self) -> None:
        """
        Host is a name or an address, perhaps with a port, or the request is answered
        400 (RFC 9112, 3.2).
        """
        for host in (
            b"h/admin?room=9#",
            b"[",
            b"[::1",
            b"[1.2.3.4]",
            b"[fe80::1%eth0]",
            b"::1",
            b"a b",
            b"h,g",
            b"h:80:80",
            b"h:x",
            b"h:99999",
            b"user@h",
            b"h%2Fa",
            b"h\\a",
            b"h..g",
            b".",
            b"h\xe9",
        ):
            self.assertBad(withHeader(b"Host", host), "Host")

    def test_goodHosts(self) -> None:
        """
        Names and addresses of all kinds are taken as they came.
        """
        for host in ("h", "H_x-1.example.", "h:8080", "h:", "1.2.3.4:1", "[::1]:80"):
            headers = withHeader(b"Host", host.encode())
            self.assertEqual(read(headers).host, host)

    def test_target(self) -> None:
        """
        What is asked for is a path, or a URL of the host that ``Host`` names.
        """
        for target in (b"xchat", b"*chat", b"\\chat", b"*", b"", b"/chat#x", b"/\x7f"):
            self.assertTarget(target)
        for target in (b"http://[/", b"http:///", b"ftp://h/", b"http://a@h/", b"h:80"):
            self.assertTarget(target)
        for target in (b"http://other/", b"http://server.example.com:81/"):
            self.assertTarget(target)
        for target in (b"/", b"//h/", b"/a?b:c|{}", b"HTTP://Server.Example.com:80?a"):
            readRequest(b"GET", target, b"HTTP/1.1", REQUEST)

    def assertTarget(self, target: bytes) -> None:
        """
        This target is answered 400, in words that name it.
        """
        error = self.assertRaises(
            UpgradeRefused, readRequest, b"GET", target, b"HTTP/1.1", REQUEST
        )
        self.assertEqual(error.status, 400, target)
        self.assertIn("request target", error.explanation)

    def test_emptyHost(self) -> None:
        """
        A Host that is there once and empty isn't said to be there too often.
        """
        error = self.refusal(withHeader(b"Host", b""))
        self.assertNotIn("not 1 times", error.explanation)

    def test_key(self) -> None:
        """
        There is one key, and it is sixteen bytes in base64.
        """
        key = KEY.encode()
        for values in (
            [],
            [b""],
            [key, key],
            [key[:-1]],
            [key + b"="],
            [b"A" * 24],
            [b"AAAA"],
            [key[:-3] + b"\xe9=="],
            [b"not base64 at all, is it"],
        ):
            headers = withHeader(b"Sec-WebSocket-Key", *values)
            self.assertBad(headers, "Sec-WebSocket-Key")

    def test_badVersions(self) -> None:
        """
        A version that is no number, or not there once, is a fault.
        """
        for values in (
            [],
            [b""],
            [b"x"],
            [b"13, 8"],
            [b"13", b"13"],
            [b"13", b"8"],
            [b"-13"],
            [b"+13"],
            [b"13.0"],
            [b"0013"],
            [b"9999"],
            [b"\xb3"],
        ):
            headers = withHeader(b"Sec-WebSocket-Version", *values)
            self.assertBad(headers, "Sec-WebSocket-Version")
            self.assertVersions(self.refusal(headers))

    def test_leadingZeros(self) -> None:
        """
        A version has no leading zeros (RFC 6455, 4.3).
        """
        for value in (b"013", b"08", b"008"):
            headers = withHeader(b"Sec-WebSocket-Version", value)
            self.assertBad(headers, "Sec-WebSocket-Version")

    def test_otherVersions(self) -> None:
        """
        A version that isn't spoken here is answered 426, with those that are.
        """
        for version in (0, 1, 7, 9, 12, 14, 255):
            error = self.refusal(withHeader(b"Sec-WebSocket-Version", b"%d" % version))
            self.assertEqual(error.status, 426)
            self.assertVersions(error)
            self.assertIn(("Upgrade", "websocket"), error.headers)
            self.assertIn(f"Version {version} ", error.explanation)
            self.assertIn("13 and 8", error.explanation)

    def test_repeatedOrigin(self) -> None:
        """
        Nobody knows which of two origins is meant: neither is believed.
        """
        for version, name in ((b"13", b"Origin"), (b"8", b"Sec-WebSocket-Origin")):
            headers = withHeader(b"Sec-WebSocket-Version", version)
            twice = [(name, b"https://a"), (name, b"https://a")]
            error = self.refusal(headers + twice)
            self.assertEqual(error.status, 403)
            self.assertIn(name.decode(), error.explanation)

    def test_body(self) -> None:
        """
        A request with a body is refused, since the body would be read as frames.
        """
        for headers in (
            withHeader(b"Content-Length", b"5"),
            withHeader(b"Content-Length", b"0", b"5"),
            withHeader(b"Content-Length", b"-1"),
            withHeader(b"Content-Length", b"0, 5"),
            withHeader(b"Content-Length", b"x"),
            withHeader(b"Transfer-Encoding", b"chunked"),
            withHeader(b"Transfer-Encoding", b"identity"),
            withHeader(b"Transfer-Encoding", b""),
        ):
            self.assertBad(headers, "no body")

    def test_controlCharacters(self) -> None:
        """
        A control character in any value is refused: another reader might see another
        header there.
        """
        for octet in (*range(9), *range(10, 32), 127):
            value = b"a%cUpgrade: websocket" % octet
            self.assertBad([*REQUEST, (b"X-Any", value)], "'x-any'")
        self.assertBad(withHeader(b"Host", b"a\x0bb"), "'host'")
        self.assertBad([*REQUEST, (b"X-Any", b"fine"), (b"X-Any", b"\n")], "'x-any'")

    def test_protocols(self) -> None:
        """
        Subprotocols are tokens, and each is offered once, over all lines.
        """
        for values in (
            [b"two words"],
            [b"a/b"],
            [b'"quoted"'],
            [b"caf\xc3\xa9"],
            [b"a, a"],
            [b"a", b"b", b"a"],
        ):
            headers = withHeader(b"Sec-WebSocket-Protocol", *values)
            self.assertBad(headers, "Sec-WebSocket-Protocol: ")

    def test_extensions(self) -> None:
        """
        Extensions have to keep to their grammar.
        """
        for values in ([b"a b"], [b"a; x="], [b'a; x="b c"'], [b"ok", b"a;"]):
            headers = withHeader(b"Sec-WebSocket-Extensions", *values)
            self.assertBad(headers, "Sec-WebSocket-Extensions: ")


class AcceptHeadTests(SynchronousTestCase):
    """
    Tests of :func:`formatAcceptResponse`.
    """

    def test_least(self) -> None:
        """
        The answer is as short as RFC 6455, 4.2.2 allows.
        """
        self.assertEqual(
            formatAcceptResponse(read(REQUEST), None),
            b"HTTP/1.1 101 Switching Protocols\r\n"
            b"Upgrade: websocket\r\n"
            b"Connection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + ACCEPT.encode() + b"\r\n"
            b"\r\n",
        )

    def test_most(self) -> None:
        """
        It names the subprotocol in the client's own case, and has the headers that
        were added, in their order.
        """
        headers = withHeader(b"Sec-WebSocket-Protocol", b"Chat.V2, chat")
        added = [("Set-Cookie", "a=b"), ("Server", "für"), ("Set-Cookie", "c=d")]
        lines = formatAcceptResponse(read(headers), "Chat.V2", added).split(b"\r\n")
        self.assertEqual(
            lines[4:],
            [
                b"Sec-WebSocket-Protocol: Chat.V2",
                b"Set-Cookie: a=b",
                b"Server: f\xfcr",
                b"Set-Cookie: c=d",
                b"",
                b"",
            ],
        )

    def test_extensions(self) -> None:
        """
        It names the extensions that were agreed on.
        """
        agreed = [
            ExtensionHeader("x-a", (("b", "1"), ("c", None))),
            ExtensionHeader("x-d"),
        ]
        head = formatAcceptResponse(read(REQUEST), None, [], agreed)
        self.assertIn(b"\r\nSec-WebSocket-Extensions: x-a; b=1; c, x-d\r\n", head)

    def test_agreed(self) -> None:
        """
        A client agrees with what a server answers, for both versions.
        """
        for version in (13, 8):
            client = makeClient(version=version, protocols=("a", "B"), origin="null")
            start, *lines = client.request().split(b"\r\n")[:-2]
            headers = [tuple(line.split(b": ", 1)) for line in lines]
            self.assertEqual(start, b"GET /chat?room=1 HTTP/1.1")
            offer = read(headers)
            self.assertEqual(offer.version, version)
            self.assertEqual(offer.origin, "null")
            self.assertEqual(offer.protocols, ("a", "B"))
            head = parseHead(formatAcceptResponse(offer, "B", [("X", "y")])[:-4])
            self.assertEqual(client.agree(head), ("B", []))


def makeClient(**options: Any) -> ClientHandshake:
    """
    A client's handshake with the key of the RFC.
    """
    return ClientHandshake(
        host="server.example.com", target="/chat?room=1", key=KEY, **options
    )


class ClientRequestTests(SynchronousTestCase):
    """
    Tests of what a :class:`ClientHandshake` sends.
    """

    def test_least(self) -> None:
        """
        The request is what RFC 6455, 4.1 wants, and nothing more.
        """
        self.assertEqual(
            makeClient().request(),
            b"GET /chat?room=1 HTTP/1.1\r\n"
            b"Host: server.example.com\r\n"
            b"Upgrade: websocket\r\n"
            b"Connection: Upgrade\r\n"
            b"Sec-WebSocket-Key: " + KEY.encode() + b"\r\n"
            b"Sec-WebSocket-Version: 13\r\n"
            b"\r\n",
        )

    def test_most(self) -> None:
        """
        Subprotocols go in one line, in order; the origin and other headers follow.
        """
        request = makeClient(
            protocols=("chat", "Super.Chat"),
            origin="https://example.com",
            headers=(("Authorization", "Bearer x"), ("X-Name", "für")),
        ).request()
        self.assertEqual(
            request.split(b"\r\n")[5:],
            [
                b"Sec-WebSocket-Version: 13",
                b"Sec-WebSocket-Protocol: chat, Super.Chat",
                b"Origin: https://example.com",
                b"Authorization: Bearer x",
                b"X-Name: f\xfcr",
                b"",
                b"",
            ],
        )

    def test_extensions(self) -> None:
        """
        Extensions are offered in one line, in each of their forms.
        """
        request = makeClient(extensions=(Backwards("x-a"), Backwards("x-b"))).request()
        self.assertIn(
            b"\r\nSec-WebSocket-Extensions: "
            b"x-a; mood=good, x-a, x-b; mood=good, x-b\r\n",
            request,
        )

    def test_version8(self) -> None:
        """
        In version 8 the origin goes by another name.
        """
        request = makeClient(version=8, origin="https://example.com").request()
        self.assertIn(b"\r\nSec-WebSocket-Version: 8\r\n", request)
        self.assertIn(b"\r\nSec-WebSocket-Origin: https://example.com\r\n", request)
        self.assertNotIn(b"\r\nOrigin:", request)

    def test_emptyOrigin(self) -> None:
        """
        Whoever gives an origin sends it, be it empty.
        """
        self.assertIn(b"\r\nOrigin: \r\n", makeClient(origin="").request())


class AgreeTests(SynchronousTestCase):
    """
    Tests of what a :class:`ClientHandshake` makes of the answer.
    """

    answer = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", ACCEPT),
    ]

    def agree(
        self,
        *changes: tuple[str, str | None],
        protocols: tuple[str, ...] = (),
        version: str = "1.1",
    ) -> str | None:
        """
        What a client agrees to if the right answer is changed like this; None takes a
        header away.
        """
        changed = [name for name, value in changes]
        headers = [header for header in self.answer if header[0] not in changed]
        headers += [(name, value) for name, value in changes if value is not None]
        lines = [f"HTTP/{version} 101 Switching Protocols"]
        lines += [f"{name}: {value}" for name, value in headers]
        head = parseHead("\r\n".join(lines).encode("latin-1"))
        self.client = makeClient(protocols=protocols, extensions=(Backwards(),))
        protocol, self.agreed = self.client.agree(head)
        return protocol

    def assertRefused(self, told: str, *changes: Any, **options: Any) -> None:
        """
        An answer changed like this is refused, in words that name what is wrong.
        """
        error = self.assertRaises(BadResponse, self.agree, *changes, **options)
        self.assertIn(told, str(error))

    def test_agreed(self) -> None:
        """
        The right answer is agreed to, whatever else is in it.
        """
        self.assertIsNone(self.agree())
        self.assertIsNone(self.agree(("Server", "x"), ("Set-Cookie", "a=b")))

    def test_case(self) -> None:
        """
        Case makes no difference but in Accept; Connection is a list.
        """
        self.assertIsNone(
            self.agree(
                ("upgrade", None),
                ("Upgrade", None),
                ("UPGRADE", "WebSocket"),
                ("Connection", "keep-alive, uPGRADE"),
            )
        )
        self.assertRefused("key", ("Sec-WebSocket-Accept", ACCEPT.swapcase()))

    def test_httpVersion(self) -> None:
        """
        HTTP/1.0 has no upgrades.
        """
        self.assertRefused("HTTP/1.1, not 1.0", version="1.0")

    def test_upgrade(self) -> None:
        """
        Upgrade has to be websocket, and only that.
        """
        for values in ([None], [""], ["h2c"], ["websocket, h2c"], ["websocket"] * 2):
            self.assertRefused("Upgrade", *[("Upgrade", value) for value in values])

    def test_connection(self) -> None:
        """
        Connection has to name the upgrade.
        """
        for value in (None, "", "close", "notupgrade", "Upgrade x"):
            self.assertRefused("Connection", ("Connection", value))

    def test_accept(self) -> None:
        """
        Accept has to answer our key, once.
        """
        for values in (
            [None],
            [""],
            [KEY],
            [acceptFor("AAAAAAAAAAAAAAAAAAAAAA==")],
            [ACCEPT[:-1]],
            [f"{ACCEPT}, {ACCEPT}"],
            [ACCEPT] * 2,
        ):
            changes = [("Sec-WebSocket-Accept", value) for value in values]
            self.assertRefused("our key", *changes)

    def test_extensions(self) -> None:
        """
        Of the extensions that were offered, the server chooses some or none.
        """
        name = "Sec-WebSocket-Extensions"
        for changes in ([], [(name, "")]):
            self.agree(*changes)
            self.assertEqual(self.agreed, [])
        self.agree((name, "x-backwards; mood=good"))
        [agreement] = self.agreed
        self.assertEqual(
            agreement.extension, ExtensionHeader("x-backwards", (("mood", "good"),))
        )
        self.assertEqual(agreement.transform.rsv, 0x20)

    def test_otherExtensions(self) -> None:
        """
        It can't choose others, nor otherwise; and it has to keep to the grammar.
        """
        name = "Sec-WebSocket-Extensions"
        self.assertRefused("permessage-deflate", (name, "permessage-deflate"))
        self.assertRefused("x-other", (name, ""), (name, "x-other"))
        self.assertRefused("the mood is bad", (name, "x-backwards; mood=bad"))
        self.assertRefused(f"{name}: ", (name, "x-backwards;"))

    def test_protocol(self) -> None:
        """
        The server chooses one of the subprotocols that were offered.
        """
        for protocol in ("a", "B"):
            changes = [("Sec-WebSocket-Protocol", protocol)]
            self.assertEqual(self.agree(*changes, protocols=("a", "B")), protocol)

    def test_otherProtocols(self) -> None:
        """
        It can't choose another, nor several, nor none; nor one in another case.
        """
        for values, chosen in (
            (["c"], "c"),
            (["b"], "b"),
            (["a, B"], "a, B"),
            (["a", "B"], "a, B"),
            (["a", "a"], "a, a"),
            (["a", ""], "a, an empty value"),
            ([""], "an empty value"),
            ([], "none"),
        ):
            changes = [("Sec-WebSocket-Protocol", value) for value in values]
            told = f"must be one of a, B, not {chosen}"
            self.assertRefused(told, *changes, protocols=("a", "B"))

    def test_unaskedProtocol(self) -> None:
        """
        Where none was offered there is none to choose, and the error says so.
        """
        self.assertRefused("must be none, not a", ("Sec-WebSocket-Protocol", "a"))
        told = "must be none, not an empty value"
        self.assertRefused(told, ("Sec-WebSocket-Protocol", ""))
