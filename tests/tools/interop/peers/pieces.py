# Part of txwebsocket. See LICENSE for details.
"""
What the drivers share that send and receive messages in pieces.

A server sends each message back while it arrives, as far as its library can. A client
sends one, and reports what has come back of it:

    {"event": "echoed", "kind": …, "size": bytes, "isSame": …, "peak": bytes held}
"""

import tracemalloc
from collections.abc import Iterator
from hashlib import sha256

import driver

_WORDS = "Größe 大きい 😀, and so on. "


class Echoed:
    """
    A message, and what comes back of it.

    :param count: of its pieces, no two of which are equal in a row.
    """

    def __init__(self, kind: str, count: int) -> None:
        self._kind = kind
        self._count = count
        self._sent, self._received = sha256(), sha256()
        self._size = 0
        self._kinds: set[type] = set()
        tracemalloc.start()

    def pieces(self) -> Iterator[str | bytes]:
        """
        The pieces, made one by one.
        """
        for number in range(self._count):
            text = f"{number}" + _WORDS * (number % 500)
            octets = text.encode()
            self._sent.update(octets)
            yield text if self._kind == "text" else octets

    def take(self, piece: str | bytes) -> None:
        """
        A piece has come back.
        """
        octets = piece.encode() if isinstance(piece, str) else piece
        self._size += len(octets)
        self._received.update(octets)
        self._kinds.add(type(piece))

    def report(self) -> None:
        """
        All has come back.
        """
        isSame = self._sent.digest() == self._received.digest()
        isSame = isSame and self._kinds == {str if self._kind == "text" else bytes}
        peak = tracemalloc.get_traced_memory()[1]
        driver.report(
            "echoed", kind=self._kind, size=self._size, isSame=isSame, peak=peak
        )
