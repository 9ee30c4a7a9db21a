# Part of txwebsocket. See LICENSE for details.
"""
Properties of :mod:`txwebsocket.handshake.response`.
"""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.properties.strategies import cuts, tokens
from txwebsocket.handshake.response import BodyReader, ResponseHead, ResponseReader
from txwebsocket.wire.errors import BadResponse

values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=20)
values = values.filter(lambda text: not set(text) & {"\x7f"}).map(str.strip)
headers = st.lists(st.tuples(tokens, values), max_size=5)

starts = st.sampled_from(
    [b"HTTP/1.1 ", b"101 ", b"200", b" OK", b"\r\n", b"\n", b"\r\n\r\n", b"A: b", b":"]
)
garbage = st.lists(starts | st.binary(max_size=5), max_size=12).map(b"".join)

chunks = st.sampled_from(
    [b"1\r\n", b"2;x\r\n", b"0\r\n", b"a", b"\r\n", b"\n", b"ff", b"g", b"\r\n0\r\n"]
)


def read(pieces: list[bytes]) -> tuple[ResponseHead, bytes] | str | None:
    """
    The head and the rest, the complaint, or None if the head isn't whole.
    """
    reader, rest = ResponseReader(), iter(pieces)
    try:
        for piece in rest:
            if (head := reader.feed(piece)) is not None:
                return head, reader.takeRemaining() + b"".join(rest)
    except BadResponse:
        return "refused"
    return None


class HeadProperties(SynchronousTestCase):
    """
    What holds for heads whatever they are.
    """

    @given(st.data(), st.integers(200, 599), headers, st.binary(max_size=20))
    def test_roundTrip(
        self,
        data: st.DataObject,
        status: int,
        pairs: list[tuple[str, str]],
        rest: bytes,
    ) -> None:
        """
        A head is read as it was written, however it is cut.
        """
        lines = [
            f"HTTP/1.1 {status} Any",
            *(f"{name}: {value}" for name, value in pairs),
        ]
        octets = "\r\n".join([*lines, "", ""]).encode("latin-1")
        head, found = read(data.draw(cuts(octets + rest)))
        self.assertEqual((head.status, found), (status, rest))
        expected = [(name.encode(), value.encode("latin-1")) for name, value in pairs]
        self.assertEqual(list(head.headers), expected)

    @given(st.data(), garbage)
    def test_garbage(self, data: st.DataObject, octets: bytes) -> None:
        """
        Whatever comes is a head, none yet or refused, however it is cut.
        """
        whole, cut = read([octets]), read(data.draw(cuts(octets)))
        self.assertEqual(whole, cut)


class BodyProperties(SynchronousTestCase):
    """
    What holds for bodies in chunks whatever they are.
    """

    @given(st.data(), st.lists(st.binary(min_size=1, max_size=300), max_size=5))
    def test_roundTrip(self, data: st.DataObject, parts: list[bytes]) -> None:
        """
        A body is read as it was written, however it is cut.
        """
        octets = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
        body, isComplete = self.readBody(data.draw(cuts(octets + b"0\r\n\r\n")))
        self.assertEqual((body, isComplete), (b"".join(parts), True))

    @given(st.data(), st.lists(chunks | st.binary(max_size=5), max_size=12))
    def test_garbage(self, data: st.DataObject, parts: list[bytes]) -> None:
        """
        Whatever comes is a body or refused, however it is cut.
        """
        octets = b"".join(parts)
        whole = self.readBody([octets])
        self.assertEqual(self.readBody(data.draw(cuts(octets))), whole)

    def readBody(self, pieces: list[bytes]) -> tuple[bytes, bool] | None:
        """
        The body in these pieces and whether it has ended; None if it is refused.
        """
        headers = ((b"Transfer-Encoding", b"chunked"),)
        reader = BodyReader(ResponseHead("1.1", 404, "", headers))
        try:
            for piece in pieces:
                reader.feed(piece)
        except BadResponse:
            return None
        return reader.body, reader.isComplete
