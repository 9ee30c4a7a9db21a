# -*- test-case-name: tests.wire.test_utf8 -*-
# Part of txwebsocket. See LICENSE for details.
"""
UTF-8 that arrives in pieces, refused at the first bad byte.
"""

from codecs import utf_8_decode


class Utf8Validator:
    """
    Tell, piece by piece, whether bytes can still become UTF-8 (RFC 3629).

    It keeps at most three bytes, so text of any length costs the same.
    """

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = b""

    def feed(self, data: bytes | bytearray) -> bool:
        """
        Take the next piece; False as soon as no continuation could make it valid.
        """
        if self._tail:
            data = self._tail + data
        try:
            consumed = utf_8_decode(data, "strict", False)[1]
        except UnicodeDecodeError:
            return False
        self._tail = bytes(data[consumed:])
        return not _isSurrogateStart(self._tail)

    def isComplete(self) -> bool:
        """
        Does the text end here, rather than inside a character?
        """
        return not self._tail


class Utf8Decoder:
    """
    Read text piece by piece; a character that was cut waits for what completes it.
    """

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = b""

    def feed(self, data: bytes) -> str:
        """
        Take the next piece, and return the characters that it completes.

        :raises UnicodeError: as soon as no continuation could make it valid.
        """
        whole = self._tail + data if self._tail else data
        text, consumed = utf_8_decode(whole, "strict", False)
        self._tail = whole[consumed:]
        if _isSurrogateStart(self._tail):
            raise UnicodeError("a surrogate is no character")
        return text

    def end(self) -> None:
        """
        There is no more.

        :raises UnicodeError: if the text ends inside a character.
        """
        if self._tail:
            raise UnicodeError("the text ends inside a character")


def unfinishedCharacter(octets: bytes) -> bytes:
    """
    Return the bytes of an incomplete character that UTF-8 ends with, if it does.

    :raises UnicodeError: if no continuation could make it valid.
    """
    _, consumed = utf_8_decode(octets, "strict", False)
    tail = octets[consumed:]
    if _isSurrogateStart(tail):
        raise UnicodeError("a surrogate is no character")
    return tail


def _isSurrogateStart(tail: bytes) -> bool:
    # The standard decoder waits for a third byte here, though there is none that helps:
    # ED A0..BF starts a surrogate, which UTF-8 doesn't have (RFC 3629, 3).
    return len(tail) == 2 and tail[0] == 0xED and tail[1] >= 0xA0
