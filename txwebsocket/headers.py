# -*- test-case-name: tests.test_headers -*-
# Part of txwebsocket. See LICENSE for details.
"""
Headers in whatever form a caller has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from twisted.web.http_headers import Headers

HeaderPairs: TypeAlias = (
    Headers
    | Mapping[str, str | bytes]
    | Mapping[bytes, str | bytes]
    | Iterable[tuple[str | bytes, str | bytes]]
)
"""
Headers as a mapping, as twisted.web's ``Headers``, or as pairs, where a name can occur
more than once. Bytes are taken for Latin-1.
"""

_ACCEPTED = (
    "a mapping, twisted.web.http_headers.Headers, or pairs of a name and a value"
)


def headerPairs(headers: HeaderPairs | None) -> list[tuple[str, str]]:
    """
    The names and values as text, in their order.

    :raises TypeError: if they have another form, saying which are accepted.
    """
    return [_pair(item) for item in _items(headers)]


def _items(headers: object) -> Iterable[object]:
    if headers is None:
        return ()
    if isinstance(headers, Mapping):
        return headers.items()
    if isinstance(headers, Headers):
        raw = headers.getAllRawHeaders()
        return ((name, value) for name, values in raw for value in values)
    if isinstance(headers, str | bytes) or not isinstance(headers, Iterable):
        raise TypeError(f"headers must be {_ACCEPTED}, not {type(headers).__name__}")
    return headers


def _pair(item: object) -> tuple[str, str]:
    if not isinstance(item, tuple | list) or len(item) != 2:
        # It is not shown, since it might be secret.
        raise TypeError(f"headers must be {_ACCEPTED}; one is {type(item).__name__}")
    name, value = item
    return headerText(name), headerText(value)


def headerText(text: object) -> str:
    """
    The name or value of a header as text.

    :raises TypeError: if it is neither ``str`` nor ``bytes``.
    """
    if isinstance(text, bytes):
        return text.decode("latin-1")
    if not isinstance(text, str):
        kind = type(text).__name__
        raise TypeError(f"a header's name and value must be str or bytes, not {kind}")
    return text
