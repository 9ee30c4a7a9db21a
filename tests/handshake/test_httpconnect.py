# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.handshake.httpconnect`.
"""

from base64 import b64decode

from twisted.trial.unittest import SynchronousTestCase

from tests.support.splits import everySplit
from txwebsocket.handshake.httpconnect import ConnectDialogue
from txwebsocket.handshake.response import MAX_BODY_SIZE, MAX_HEAD_SIZE
from txwebsocket.wire.errors import BadResponse

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
REFUSAL = (
    b"HTTP/1.1 407 Proxy Authentication Required\r\n"
    b'Proxy-Authenticate: Basic realm="p"\r\n'
    b"Content-Length: 5\r\n"
    b"\r\n"
    b"sorry"
)


def dialogue() -> ConnectDialogue:
    """
    One that has begun.
    """
    connect = ConnectDialogue("example.com", 443)
    connect.initialRequest()
    return connect


class RequestTests(SynchronousTestCase):
    """
    Tests of what is asked for.
    """

    def test_request(self) -> None:
        """
        Host and port stand in the request line and in ``Host``, and nothing else.
        """
        self.assertEqual(
            ConnectDialogue("example.com", 443).initialRequest(),
            b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n",
        )

    def test_address(self) -> None:
        """
        An IPv6 address has its brackets.
        """
        for host, authority in (
            ("2001:db8::1", b"[2001:db8::1]:80"),
            ("::1", b"[::1]:80"),
            ("192.0.2.1", b"192.0.2.1:80"),
        ):
            request = ConnectDialogue(host, 80).initialRequest()
            self.assertIn(b"CONNECT " + authority + b" HTTP/1.1\r\n", request)
            self.assertIn(b"\r\nHost: " + authority + b"\r\n", request)

    def test_credentials(self) -> None:
        """
        User and password are sent as Basic authentication, in UTF-8.
        """
        request = ConnectDialogue("h", 80, ("ada", "p:ä ß")).initialRequest()
        _, _, value = request.partition(b"\r\nProxy-Authorization: Basic ")
        coded, end, rest = value.partition(b"\r\n\r\n")
        self.assertEqual(b64decode(coded), "ada:p:ä ß".encode())
        self.assertEqual((end, rest), (b"\r\n\r\n", b""))

    def test_badCredentials(self) -> None:
        """
        A user with a colon would end early, and is refused; so are control characters.
        The error shows neither.
        """
        for credentials in (("a:b", ""), ("a\n", ""), ("hunter2", "hunter2\x00")):
            error = self.assertRaises(ValueError, ConnectDialogue, "h", 1, credentials)
            self.assertIn("username", str(error))
            self.assertNotIn("hunter2", str(error))

    def test_badHost(self) -> None:
        """
        What would end the request line early, or is no host, is refused.
        """
        for host in ("", "a b", "a\r\nX: y", "a/b", "ä", "[::1]", "a:b", "::1%eth0"):
            error = self.assertRaises(ValueError, ConnectDialogue, host, 80)
            self.assertIn("host", str(error))
        for port in (0, -1, 65536):
            error = self.assertRaises(ValueError, ConnectDialogue, "h", port)
            self.assertIn("port", str(error))


class ResponseTests(SynchronousTestCase):
    """
    Tests of what the proxy answers.
    """

    def test_established(self) -> None:
        """
        At any split, what follows the head is the tunnel's.
        """
        for pieces in everySplit(ESTABLISHED + b"\x81\x00more"):
            connect = dialogue()
            rest = b""
            for piece in pieces:
                if connect.isComplete:
                    rest += piece
                else:
                    self.assertEqual(connect.feed(piece), b"")
                    rest += connect.takeRemaining() if connect.isComplete else b""
            self.assertTrue(connect.isComplete)
            self.assertIsNone(connect.refusal)
            self.assertEqual(rest, b"\x81\x00more")

    def test_lengthMeansNothing(self) -> None:
        """
        Some proxies say how long a body is that is none (RFC 9110, 9.3.6).
        """
        for header in (b"Content-Length: 7", b"Transfer-Encoding: chunked"):
            connect = dialogue()
            connect.feed(b"HTTP/1.0 200 OK\r\n" + header + b"\r\n\r\nabc")
            self.assertTrue(connect.isComplete)
            self.assertEqual(connect.takeRemaining(), b"abc")
            self.assertEqual(connect.takeRemaining(), b"")

    def test_anySuccess(self) -> None:
        """
        Each status from 200 to 299 leads on; no other does.
        """
        for status in (200, 204, 299):
            connect = dialogue()
            connect.feed(b"HTTP/1.1 %d x\r\n\r\n" % status)
            self.assertTrue(connect.isComplete)
            self.assertIsNone(connect.refusal)
        for status in (101, 300, 302, 403, 502):
            connect = dialogue()
            connect.feed(b"HTTP/1.1 %d x\r\nContent-Length: 0\r\n\r\n" % status)
            assert connect.refusal is not None
            self.assertEqual(connect.refusal.code, status)

    def test_refusal(self) -> None:
        """
        A refusal is read with its body, at any split.
        """
        for pieces in everySplit(REFUSAL):
            connect = dialogue()
            for piece in pieces:
                self.assertFalse(connect.isComplete)
                connect.feed(piece)
            self.assertTrue(connect.isComplete)
            refusal = connect.refusal
            assert refusal is not None
            assert refusal.head is not None
            self.assertEqual(refusal.code, 407)
            self.assertEqual(refusal.phrase, "Proxy Authentication Required")
            self.assertEqual(refusal.body, b"sorry")
            self.assertEqual(
                refusal.head.values("proxy-authenticate"), [b'Basic realm="p"']
            )

    def test_partOfRefusal(self) -> None:
        """
        What has arrived of a refusal can be looked at before it is whole.
        """
        connect = dialogue()
        connect.feed(REFUSAL[:-2])
        self.assertFalse(connect.isComplete)
        assert connect.refusal is not None
        self.assertEqual(connect.refusal.body, b"sor")

    def test_bounded(self) -> None:
        """
        Neither a head nor a body without end is kept.
        """
        with self.assertRaises(BadResponse):
            dialogue().feed(b"HTTP/1.1 200 OK\r\nX: " + b"x" * MAX_HEAD_SIZE)
        connect = dialogue()
        connect.feed(b"HTTP/1.1 403 No\r\n\r\n" + b"x" * (MAX_BODY_SIZE + 1))
        self.assertTrue(connect.isComplete)
        assert connect.refusal is not None
        self.assertEqual(len(connect.refusal.body), MAX_BODY_SIZE)

    def test_garbage(self) -> None:
        """
        What is no HTTP/1.x response is noticed at once.
        """
        for garbage in (
            b"\x05\xff",
            b"SSH-2.0-OpenSSH\r\n",
            b"HTTP/2 200\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
            b"HTTP/1.1 403 No\r\nContent-Length: x\r\n\r\n",
        ):
            with self.assertRaises(BadResponse):
                dialogue().feed(garbage)
