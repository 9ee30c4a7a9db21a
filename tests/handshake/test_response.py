# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.handshake.response`.
"""

from collections.abc import Iterable
from time import process_time

from twisted.trial.unittest import SynchronousTestCase

from tests.support.splits import everySplit
from txwebsocket.handshake.response import (
    MAX_BODY_SIZE,
    MAX_HEAD_SIZE,
    MAX_HEADERS,
    MAX_INTERIM,
    BodyReader,
    ResponseHead,
    ResponseReader,
    parseHead,
)
from txwebsocket.wire.errors import BadResponse

HEAD = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nServer:\tx \r\n\r\n"
PARSED = ResponseHead(
    version="1.1",
    status=101,
    phrase="Switching Protocols",
    headers=((b"Upgrade", b"websocket"), (b"Server", b"x")),
)
CHUNKED = (b"Transfer-Encoding", b"chunked")


def headOfSize(size: int) -> bytes:
    """
    A head with this many bytes before its closing empty line.
    """
    start = b"HTTP/1.1 101 Fine\r\nX-Long: "
    return start + b"x" * (size - len(start)) + b"\r\n\r\n"


class LimitTests(SynchronousTestCase):
    """
    Tests of how much is taken from a server.
    """

    def test_limits(self) -> None:
        """
        The limits are those the manual promises.
        """
        self.assertEqual(MAX_HEAD_SIZE, 16 * 1024)
        self.assertEqual(MAX_HEADERS, 128)
        self.assertEqual(MAX_BODY_SIZE, 64 * 1024)
        self.assertEqual(MAX_INTERIM, 20)


class ParseHeadTests(SynchronousTestCase):
    """
    Tests of :func:`parseHead` and :class:`ResponseHead`.
    """

    def assertRefused(self, head: bytes, told: str) -> None:
        """
        This head breaks a rule, and the error shows what does.
        """
        error = self.assertRaises(BadResponse, parseHead, head)
        self.assertIn(told, str(error))
        self.assertLess(len(str(error)), 400)

    def test_head(self) -> None:
        """
        A head is its version, status, phrase and headers.
        """
        self.assertEqual(parseHead(HEAD[:-4]), PARSED)

    def test_statusLines(self) -> None:
        """
        The phrase may be empty, left out or any text, and HTTP/1.0 is told apart.
        """
        for line, expected in {
            b"HTTP/1.1 200 OK": ("1.1", 200, "OK"),
            b"HTTP/1.0 404 Not Found": ("1.0", 404, "Not Found"),
            b"HTTP/1.1 200 ": ("1.1", 200, ""),
            b"HTTP/1.1 200": ("1.1", 200, ""),
            b"HTTP/1.1 599 Pas tr\xe8s bien\t!": ("1.1", 599, "Pas très bien\t!"),
        }.items():
            head = parseHead(line)
            self.assertEqual((head.version, head.status, head.phrase), expected)
            self.assertEqual(head.headers, ())

    def test_otherStatusLines(self) -> None:
        """
        What is no status line of HTTP/1.0 or 1.1 is refused and shown.
        """
        for line in (
            b"",
            b"HTTP/1.1",
            b"HTTP/2 200 OK",
            b"HTTP/2.0 200 OK",
            b"HTTP/1.2 200 OK",
            b"http/1.1 200 OK",
            b"HTTP/1.1  200 OK",
            b" HTTP/1.1 200 OK",
            b"HTTP/1.1 20 OK",
            b"HTTP/1.1 099 OK",
            b"HTTP/1.1 600 OK",
            b"HTTP/1.1 2000 OK",
            b"HTTP/1.1 +20 OK",
            b"HTTP/1.1 2\xb2\xb2 OK",
            b"HTTP/1.1 200\tOK",
            b"HTTP/1.1 200 O\x00K",
            b"HTTP/1.1 200 OK\nX: y",
            b"HTTP/1.1 200 OK\rX: y",
            b"GET / HTTP/1.1",
        ):
            self.assertRefused(line, "not an HTTP/1.1 status line")
        self.assertRefused(b"SSH-2.0-OpenSSH", "SSH-2.0-OpenSSH")

    def test_headers(self) -> None:
        """
        Headers keep their order and their case; space around a value is no part of it.
        """
        head = parseHead(
            b"HTTP/1.1 200 OK\r\nB: 1\r\na:2\r\nB: \t 3 \t\r\nc:\r\nd: x y:z\r\ne: \xe9"
        )
        self.assertEqual(
            head.headers,
            (
                (b"B", b"1"),
                (b"a", b"2"),
                (b"B", b"3"),
                (b"c", b""),
                (b"d", b"x y:z"),
                (b"e", b"\xe9"),
            ),
        )

    def test_values(self) -> None:
        """
        A header is found by its name in any case, all its lines in order.
        """
        head = parseHead(b"HTTP/1.1 200 OK\r\nVia: a\r\nServer: s\r\nvIA: b")
        self.assertEqual(head.values("Via"), [b"a", b"b"])
        self.assertEqual(head.values("VIA"), [b"a", b"b"])
        self.assertEqual(head.values("Vi"), [])

    def test_otherHeaders(self) -> None:
        """
        Line folding, space before the colon, and whatever else two readers could
        understand in two ways is refused and shown.
        """
        for line in (
            b" folded: value",
            b"\tfolded",
            b"Upgrade : websocket",
            b"Upgrade\t: websocket",
            b"no colon",
            b": no name",
            b"",
            b"two words: x",
            b"n\xe4me: x",
            b"X: a\nUpgrade: websocket",
            b"X: a\rUpgrade: websocket",
            b"X: a\x0bUpgrade: websocket",
            b"X: a\x0b",
            b"X: \x0ca",
            b"X: a\n",
            b"X: \x00",
            b"X: \x7f",
        ):
            head = b"HTTP/1.1 200 OK\r\nA: b\r\n" + line
            self.assertRefused(head, f"not a header: {line!r}")

    def test_shortMessage(self) -> None:
        """
        However long a faulty line is, the complaint stays short.
        """
        self.assertRefused(b"x" * 5000, "status line")
        self.assertRefused(b"HTTP/1.1 200 OK\r\n" + b"x" * 5000, "header")

    def test_manyHeaders(self) -> None:
        """
        A head has as many headers as the limit says, and not one more.
        """
        head = b"HTTP/1.1 200 OK" + b"\r\na: b" * MAX_HEADERS
        self.assertEqual(len(parseHead(head).headers), MAX_HEADERS)
        self.assertRefused(head + b"\r\na: b", f"more than {MAX_HEADERS} headers")


class ResponseReaderTests(SynchronousTestCase):
    """
    Tests of :class:`ResponseReader`.
    """

    def read(self, pieces: Iterable[bytes]) -> tuple[ResponseHead | None, bytes]:
        """
        The head in these pieces and what came behind it.
        """
        reader, pieces = ResponseReader(), iter(pieces)
        for piece in pieces:
            head = reader.feed(piece)
            if head is not None:
                return head, reader.takeRemaining() + b"".join(pieces)
        return None, b""

    def assertRefused(self, data: bytes, told: str, most: int | None = None) -> None:
        """
        However ``data`` is cut, it is refused.
        """
        for pieces in everySplit(data, most):
            error = self.assertRaises(BadResponse, self.read, pieces)
            self.assertIn(told, str(error))

    def test_everySplit(self) -> None:
        """
        The head is found however the network cuts it, and what came behind it, the
        first frames perhaps, isn't lost.
        """
        for rest in (b"", b"\x81\x02hi", b"\r\n\r\n", HEAD):
            for pieces in everySplit(HEAD + rest):
                self.assertEqual(self.read(pieces), (PARSED, rest))

    def test_notYet(self) -> None:
        """
        Until the closing empty line is there, there is no head.
        """
        for end in range(len(HEAD)):
            self.assertEqual(self.read([HEAD[:end]]), (None, b""))
            self.assertEqual(self.read([HEAD[:end], b""]), (None, b""))

    def test_restOnce(self) -> None:
        """
        What came behind the head is handed over once.
        """
        reader = ResponseReader()
        reader.feed(HEAD + b"rest")
        self.assertEqual(reader.takeRemaining(), b"rest")
        self.assertEqual(reader.takeRemaining(), b"")

    def test_interim(self) -> None:
        """
        Interim responses are passed over, with or without headers.
        """
        interim = (
            b"HTTP/1.1 100 Continue\r\n\r\n"
            b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
            b"HTTP/1.1 102\r\n\r\n"
        )
        for pieces in everySplit(interim + HEAD + b"rest"):
            self.assertEqual(self.read(pieces), (PARSED, b"rest"))

    def test_manyInterim(self) -> None:
        """
        A server has to answer some time: it can't go on with interim responses alone.
        """
        interim = b"HTTP/1.1 102 Wait\r\n\r\n" * MAX_INTERIM
        for pieces in everySplit(interim + HEAD, most=30):
            self.assertEqual(self.read(pieces), (PARSED, b""))
        more = interim + b"HTTP/1.1 103 Hints\r\n\r\n"
        self.assertRefused(more, f"more than {MAX_INTERIM} interim", most=30)

    def test_final(self) -> None:
        """
        Any other status is an answer.
        """
        for status in (101, 200, 204, 302, 401, 500, 599):
            head, _ = self.read([b"HTTP/1.1 %d x\r\n\r\n" % status])
            self.assertEqual(head.status, status)

    def test_largestHead(self) -> None:
        """
        A head may be as large as its limit, however it comes.
        """
        data = headOfSize(MAX_HEAD_SIZE)
        for pieces in everySplit(data + b"rest", most=30):
            head, rest = self.read(pieces)
            self.assertEqual((head.status, rest), (101, b"rest"))

    def test_tooLarge(self) -> None:
        """
        One byte more is refused, be the head whole or endless.
        """
        for data in (headOfSize(MAX_HEAD_SIZE + 1), headOfSize(MAX_HEAD_SIZE * 3)):
            self.assertRefused(data, f"larger than {MAX_HEAD_SIZE} bytes", most=30)
            self.assertRefused(data[:-4], f"larger than {MAX_HEAD_SIZE}", most=30)

    def test_limitPerHead(self) -> None:
        """
        What follows a head doesn't count towards its limit.
        """
        interim = headOfSize(MAX_HEAD_SIZE // 2).replace(b" 101 ", b" 103 ") * 3
        rest = b"x" * MAX_HEAD_SIZE * 2
        for pieces in everySplit(interim + HEAD + rest, most=30):
            self.assertEqual(self.read(pieces), (PARSED, rest))

    def test_notHttp(self) -> None:
        """
        A server that speaks something else is found out with the first byte that shows
        it, since it might wait for us.
        """
        for greeting in (b"SSH-2.0-OpenSSH_9.6\r\n", b"\x05\x00", b"+OK", b"HTTX"):
            self.assertRefused(greeting, "not an HTTP response")
        self.assertRaises(BadResponse, ResponseReader().feed, b"S")
        self.assertRaises(BadResponse, ResponseReader().feed, b"HTTX")

    def test_notHttpAfterInterim(self) -> None:
        """
        The same goes for what follows an interim response.
        """
        self.assertRefused(b"HTTP/1.1 100 C\r\n\r\n220 smtp", "not an HTTP response")

    def test_TLS(self) -> None:
        """
        A server that speaks TLS is told as such, with the scheme that it needs.
        """
        for record in (b"\x15\x03\x01\x00\x02\x02\x46", b"\x16\x03\x03\x00\x7a\x02"):
            self.assertRefused(record, "but TLS: the URL must start with wss://")

    def test_badHead(self) -> None:
        """
        A head that breaks the grammar is refused when it is whole.
        """
        head = b"HTTP/1.1 101 x\r\nUpgrade : websocket"
        self.assertEqual(self.read([head]), (None, b""))
        self.assertRefused(head + b"\r\n\r\n", "not a header")

    def test_bareLineFeeds(self) -> None:
        """
        Lines end with CR and LF. A server that ends them with less is found out at
        once, since it would not say more.
        """
        for end, name in (
            (b"\n", "LF"),
            (b"\n\n", "LF"),
            (b"\r\r", "CR"),
            (b"\rX", "CR"),
            (b"\n\r\n", "LF"),
            (b"\r\n\n", "LF"),
            (b"\r\nA: b\nC: d\r\n\r\n", "LF"),
            (b"\r\nA: b\rC: d\r\n\r\n", "CR"),
        ):
            self.assertRefused(
                b"HTTP/1.1 101 x" + end, f"must end in CR LF, not in {name} alone"
            )
        self.assertRefused(
            b"HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 101 x\n", "not in LF alone"
        )

    def test_lineFeedsBehindHead(self) -> None:
        """
        What follows the head may have any bytes.
        """
        rest = b"\n\r\n\n\rx"
        for pieces in everySplit(HEAD + rest):
            self.assertEqual(self.read(pieces), (PARSED, rest))


class BodyTestCase(SynchronousTestCase):
    """
    What tests of bodies need.
    """

    def makeReader(
        self, *headers: tuple[bytes, bytes], status: int = 404
    ) -> BodyReader:
        """
        A reader for the body behind these headers.
        """
        return BodyReader(ResponseHead("1.1", status, "", headers))

    def assertReads(
        self,
        data: bytes,
        expected: bytes,
        *headers: tuple[bytes, bytes],
        isComplete: bool = True,
        most: int | None = None,
    ) -> None:
        """
        However ``data`` is cut, this is the body in it, and this is whether it has
        ended.
        """
        for pieces in everySplit(data, most):
            reader = self.makeReader(*headers)
            for piece in pieces:
                reader.feed(piece)
            self.assertEqual(reader.body, expected)
            self.assertIs(reader.isComplete, isComplete)


class BodyReaderTests(BodyTestCase):
    """
    Tests of :class:`BodyReader`.
    """

    def test_contentLength(self) -> None:
        """
        A body is as long as announced; what follows is no part of it.
        """
        header = (b"content-length", b"9")
        self.assertReads(b"not found", b"not found", header)
        self.assertReads(b"not found, and more", b"not found", header)
        self.assertReads(b"not foun", b"not foun", header, isComplete=False)

    def test_noBody(self) -> None:
        """
        Where there is no body, nothing is waited for.
        """
        for reader in (
            self.makeReader((b"Content-Length", b"0")),
            self.makeReader((b"Content-Length", b"00")),
            self.makeReader(status=204),
            self.makeReader(status=304),
            self.makeReader((b"Content-Length", b"5"), status=304),
            self.makeReader(CHUNKED, status=204),
        ):
            self.assertTrue(reader.isComplete)
            reader.feed(b"more")
            self.assertEqual(reader.body, b"")

    def test_repeatedLength(self) -> None:
        """
        A length that is there twice is taken if it is the same.
        """
        self.assertReads(b"abcd", b"abc", *[(b"Content-Length", b"3")] * 2)

    def test_badLength(self) -> None:
        """
        Lengths that contradict each other, or are none, are refused and shown.
        """
        for values in (
            [b"3", b"4"],
            [b"-1"],
            [b"+1"],
            [b"1.5"],
            [b"0x10"],
            [b"3, 3"],
            [b""],
            [b"\xb2"],
        ):
            headers = [(b"Content-Length", value) for value in values]
            error = self.assertRaises(BadResponse, self.makeReader, *headers)
            self.assertIn(repr(values[-1]), str(error))

    def test_untilClose(self) -> None:
        """
        Without a length the body ends with the connection.
        """
        self.assertReads(b"some text", b"some text", isComplete=False)

    def test_limit(self) -> None:
        """
        Of a large body the start is kept, and the rest isn't waited for.
        """
        size = MAX_BODY_SIZE
        for length in (size + 1, 10**18, 10**30):
            header = (b"Content-Length", b"%d" % length)
            self.assertReads(b"x" * (size + 9), b"x" * size, header, most=6)
        self.assertReads(b"x" * size, b"x" * size, most=6)
        self.assertReads(b"x" * (size + 9), b"x" * size, most=6)
        self.assertReads(b"x" * (size - 1), b"x" * (size - 1), isComplete=False, most=6)

    def test_leadingZeros(self) -> None:
        """
        Leading zeros don't change a length.
        """
        for width in (2, 20, 30):
            header = (b"Content-Length", b"3".zfill(width))
            self.assertReads(b"abcdef", b"abc", header)

    def test_hugeLength(self) -> None:
        """
        A length of thousands of digits is a large one, nothing worse.
        """
        header = (b"Content-Length", b"9" * 10000)
        self.assertReads(b"abc", b"abc", header, isComplete=False)

    def test_length(self) -> None:
        """
        The length is known if the head tells it, and without it the body ends with the
        connection, unless it comes in chunks.
        """
        for reader, length, isDelimited in (
            (self.makeReader((b"Content-Length", b"3")), 3, True),
            (self.makeReader((b"Content-Length", b"0")), 0, True),
            (self.makeReader((b"Content-Length", b"5"), status=304), 0, True),
            (self.makeReader(status=204), 0, True),
            (self.makeReader(CHUNKED), None, True),
            (self.makeReader(), None, False),
        ):
            self.assertEqual(reader.length, length)
            self.assertIs(reader.isDelimited, isDelimited)

    def test_cut(self) -> None:
        """
        Whether a body was cut at the limit is known, and what is new in each part.
        """
        size = MAX_BODY_SIZE
        for headers, isCut in (
            ([(b"Content-Length", b"%d" % size)], False),
            ([(b"Content-Length", b"%d" % (size + 1))], True),
            ([], True),
        ):
            reader = self.makeReader(*headers)
            self.assertEqual(reader.feed(b"x" * (size - 1)), b"x" * (size - 1))
            self.assertFalse(reader.isCut)
            self.assertEqual(reader.feed(b"yz"), b"y")
            self.assertEqual(reader.feed(b"z"), b"")
            self.assertIs(reader.isCut, isCut, headers)
        reader = self.makeReader(CHUNKED)
        self.assertEqual(reader.feed(b"%x\r\n" % size + b"x" * size), b"x" * size)
        self.assertTrue(reader.isCut)
        reader = self.makeReader(CHUNKED)
        reader.feed(b"1\r\nx\r\n0\r\n\r\n")
        self.assertFalse(reader.isCut)


class ChunkedBodyTests(BodyTestCase):
    """
    Tests of a :class:`BodyReader` whose body comes in chunks.
    """

    def assertRefused(self, data: bytes, told: str) -> None:
        """
        However ``data`` is cut, it is refused.
        """
        for pieces in everySplit(data):
            reader = self.makeReader(CHUNKED)
            error = self.assertRaises(BadResponse, list, map(reader.feed, pieces))
            self.assertIn(told, str(error))

    def test_chunks(self) -> None:
        """
        The chunks make one body, and an empty one ends it.
        """
        data = b"4\r\nnot \r\n5\r\nfound\r\n0\r\n\r\n"
        self.assertReads(data, b"not found", CHUNKED)
        self.assertReads(data[:-7], b"not found", CHUNKED, isComplete=False)
        self.assertReads(b"0\r\n\r\n", b"", CHUNKED)

    def test_sizes(self) -> None:
        """
        Sizes are hexadecimal in either case, perhaps with zeros, space or extensions.
        """
        for line in (b"a", b"A", b"000a", b"a \t", b"a;x", b'a ; x="y z";b'):
            data = line + b"\r\n0123456789\r\n0;last\r\n\r\n"
            self.assertReads(data, b"0123456789", CHUNKED)

    def test_lineFeeds(self) -> None:
        """
        A body may look like what stands around it.
        """
        self.assertReads(b"6\r\n\r\n0\r\n\r\r\n0\r\n", b"\r\n0\r\n\r", CHUNKED)

    def test_trailers(self) -> None:
        """
        What follows the last chunk is no part of the body.
        """
        data = b"1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n1\r\nb\r\n"
        self.assertReads(data, b"a", CHUNKED)

    def test_lengthIgnored(self) -> None:
        """
        Where a body comes in chunks, a length means nothing (RFC 9112, 6.3).
        """
        header = (b"Content-Length", b"1")
        self.assertReads(b"3\r\nabc\r\n0\r\n\r\n", b"abc", header, CHUNKED)

    def test_badSizes(self) -> None:
        """
        What is no size of a chunk is refused and shown.
        """
        for line in (
            b"",
            b"g",
            b"-1",
            b"+1",
            b"0x1",
            b" 1",
            b"1_0",
            b"123456789",
            b"1\x00",
            b"1 2",
            b"1;\x01",
        ):
            self.assertRefused(
                line + b"\r\n", f"not the size of a chunk: {line!r}"[:-1]
            )
            self.assertRefused(b"1\r\na\r\n" + line + b"\r\n", "the size of a chunk")

    def test_bareLineFeed(self) -> None:
        """
        The line with a size ends with CR and LF, and not with less: two readers could
        understand that in two ways (RFC 9112, 7.1).
        """
        for data in (
            b"1\na\r\n0\r\n\r\n",
            b"1\r\na\r\n0\n\r\n",
            b"1;x\n\r\na\r\n",
            b"1\ra\r\n0\r\n",
            b"1\r\r\na\r\n",
            # Without waiting for a line to end otherwise.
            b"1\n",
            b"1\ra",
        ):
            self.assertRefused(data, "not the size of a chunk")

    def test_cost(self) -> None:
        """
        A body in the smallest chunks costs as much per byte as any other, though a
        whole read of them arrives at a time.
        """
        few, many = (self._seconds(b"1\r\na\r\n" * count) for count in (8_000, 64_000))
        self.assertLess(many, 32 * few)

    def _seconds(self, data: bytes) -> float:
        began = process_time()
        self.makeReader(CHUNKED).feed(data)
        return process_time() - began

    def test_badEnds(self) -> None:
        """
        A chunk that isn't as long as it says is refused, as no one knows what follows.
        """
        for data in (b"3\r\nabcdef0\r\n", b"3\r\nab\r\n0\r\n", b"1\r\na\n0\r\n\r\n"):
            reader = self.makeReader(CHUNKED)
            self.assertRaises(BadResponse, reader.feed, data)

    def test_longLine(self) -> None:
        """
        A size whose line never ends is refused.
        """
        self.assertRefused(b"1;" + b"x" * 300, "the size of a chunk is too long")
        self.assertRefused(b"1;" + b"x" * 300 + b"\r\n", "size of a chunk is too long")
        rest = b"\r\na\r\n0\r\n\r\n"
        self.assertReads(b"1;" + b"x" * 253 + rest, b"a", CHUNKED)
        self.assertRefused(b"1;" + b"x" * 254 + rest, "the size of a chunk is too long")

    def test_limit(self) -> None:
        """
        Of a large body the start is kept, whether in one chunk or in many.
        """
        size = MAX_BODY_SIZE
        one = b"ffffffff\r\n" + b"x" * (size + 9)
        self.assertReads(one, b"x" * size, CHUNKED, most=6)
        many = b"100\r\n" + b"x" * 256 + b"\r\n"
        self.assertReads(many * 300, b"x" * size, CHUNKED, most=6)
