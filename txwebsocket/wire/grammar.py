# -*- test-case-name: tests.wire.test_grammar -*-
# Part of txwebsocket. See LICENSE for details.
"""
The grammar of the headers a WebSocket handshake reads (RFC 9110, 5.6; RFC 6455, 9.1).

Each function takes the values of a header as they stood in the message, one item for
each line, and raises :exc:`ValueError` with a readable sentence if they break the
grammar. All of them look at each byte once.
"""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

_T = TypeVar("_T")

TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""
A token, as names of headers and subprotocols must be (RFC 9110, 5.6.2).
"""

MAX_ELEMENTS = 100
"""
Elements of a list, and parameters of one of them, that are read. Nobody has so many
to say, and each costs more than its bytes.
"""

_TOKEN = re.compile(TOKEN.pattern.encode("ascii"))
_SPACE = re.compile(rb"[ \t]*")
# Characters of a name or value that an error quotes.
_SHOWN = 60
_EMPTY = re.compile(rb"[ \t,]*")
_QUOTED = re.compile(rb'"((?:[\t \x21\x23-\x5b\x5d-\x7e]|\\[\t \x21-\x7e])*)"')
_ESCAPE = re.compile(rb"\\(.)")
_HEADER_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")


class ExtensionHeader(NamedTuple):
    """
    One extension of a ``Sec-WebSocket-Extensions`` header.

    :ivar name: the extension's registered name.
    :ivar parameters: names and values in their order; a value is None where the
        parameter stands alone.
    """

    name: str
    parameters: tuple[tuple[str, str | None], ...] = ()


def isToken(text: str) -> bool:
    """
    Is this a token, as names of headers and subprotocols must be? (RFC 9110, 5.6.2)
    """
    return TOKEN.fullmatch(text) is not None


def isHeaderValue(value: bytes) -> bool:
    """
    May these bytes stand in a header: no control character but a tab? (RFC 9110, 5.5)
    """
    return _HEADER_VALUE.fullmatch(value) is not None


def parseTokens(values: Iterable[bytes]) -> list[str]:
    """
    Read a list of tokens, in order and in their own case. Empty elements count for
    nothing, as RFC 9110, 5.6.1.2 demands of a reader.
    """
    lists = map(_List, values)
    return [token for each in lists for token in each.elements(_List.takeToken)]


def parseProtocols(values: Iterable[bytes]) -> list[str]:
    """
    Read a list of protocols, each perhaps with a version behind a slash, as ``Upgrade``
    has them (RFC 9110, 7.8).
    """
    lists = map(_List, values)
    return [found for each in lists for found in each.elements(_List.takeProtocol)]


def parseExtensions(values: Iterable[bytes]) -> list[ExtensionHeader]:
    """
    Read ``Sec-WebSocket-Extensions``: names with parameters, quoted or not.
    """
    return [
        found
        for value in values
        for found in _List(value).elements(_List.takeExtension)
    ]


def formatExtensions(extensions: Sequence[ExtensionHeader]) -> str:
    """
    Write ``Sec-WebSocket-Extensions``; what :func:`parseExtensions` reads back.
    """
    return ", ".join(
        "; ".join(
            [extension.name]
            + [k if v is None else f"{k}={v}" for k, v in extension.parameters]
        )
        for extension in extensions
    )


def isKey(value: bytes) -> bool:
    """
    Is this a ``Sec-WebSocket-Key``: 16 bytes in base64? (RFC 6455, 4.1)
    """
    try:
        return len(value) == 24 and len(b64decode(value, validate=True)) == 16
    except Base64Error:
        return False


class _List:
    """
    One header value, read from left to right as a comma-separated list.
    """

    def __init__(self, value: bytes) -> None:
        self._value = value
        self._at = 0

    def elements(self, take: Callable[["_List"], _T]) -> Iterator[_T]:
        """
        The elements of the list, each read by ``take``.
        """
        count = 0
        self._skip(_EMPTY)
        while self._at < len(self._value):
            count += 1
            _checkCount(count)
            yield take(self)
            if not self._isAtEnd() and not self._takeMark(b","):
                raise self._unexpected("a comma")
            self._skip(_EMPTY)

    def takeToken(self) -> str:
        """
        Read one token.
        """
        found = _TOKEN.match(self._value, self._at)
        if found is None:
            raise self._unexpected("a token")
        self._at = found.end()
        return found[0].decode("ascii")

    def takeProtocol(self) -> str:
        """
        Read one protocol, with its version if it has one.
        """
        name = self.takeToken()
        if not self._value.startswith(b"/", self._at):
            return name
        self._at += 1
        return f"{name}/{self.takeToken()}"

    def takeExtension(self) -> ExtensionHeader:
        """
        Read one extension with its parameters.
        """
        name = self.takeToken()
        parameters: list[tuple[str, str | None]] = []
        while self._takeMark(b";"):
            _checkCount(len(parameters) + 1)
            parameters.append(self._takeParameter())
        return ExtensionHeader(name, tuple(parameters))

    def _takeParameter(self) -> tuple[str, str | None]:
        self._skip(_SPACE)
        name = self.takeToken()
        if not self._takeMark(b"="):
            return name, None
        self._skip(_SPACE)
        quoted = _QUOTED.match(self._value, self._at)
        if quoted is None:
            return name, self.takeToken()
        self._at = quoted.end()
        value = _ESCAPE.sub(rb"\1", quoted[1]).decode("ascii")
        if not isToken(value):
            # RFC 6455, 9.1: quotes don't widen what a value may be.
            raise ValueError(
                f"the quoted value of {name[:_SHOWN]!r} is not a token: "
                f"{value[:_SHOWN]!r}"
            )
        return name, value

    def _takeMark(self, mark: bytes) -> bool:
        self._skip(_SPACE)
        if not self._value.startswith(mark, self._at):
            return False
        self._at += 1
        return True

    def _isAtEnd(self) -> bool:
        self._skip(_SPACE)
        return self._at == len(self._value)

    def _skip(self, what: re.Pattern[bytes]) -> None:
        found = what.match(self._value, self._at)
        if found is not None:
            self._at = found.end()

    def _unexpected(self, wanted: str) -> ValueError:
        rest = self._value[self._at : self._at + 20]
        return ValueError(f"{wanted} was expected at byte {self._at}, before {rest!r}")


def _checkCount(count: int) -> None:
    if count > MAX_ELEMENTS:
        raise ValueError(f"a list has more than {MAX_ELEMENTS} elements")
