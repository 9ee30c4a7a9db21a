# -*- test-case-name: tests.client.test_weburl -*-
# Part of txwebsocket. See LICENSE for details.
"""
URLs as browsers read them (WHATWG URL Standard), as far as they can be a WebSocket's:
absolute, and with one of four schemes. Without Twisted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv6Address
from typing import NamedTuple
from unicodedata import bidirectional, category
from urllib.parse import quote, unquote_to_bytes

import idna

_DEFAULT_PORTS = {"ws": 80, "wss": 443, "http": 80, "https": 443}
# What the parser removes around a URL, and within it.
_AROUND = "".join(map(chr, range(0x21)))
_WITHIN = str.maketrans("", "", "\t\n\r")
# To these schemes a backslash is a slash, and so is any number of either before a host.
_PARTS = re.compile(
    r"([A-Za-z][A-Za-z0-9+.-]*):"
    r"[/\\]*([^/\\?#]*)"
    r"([^?#]*)"
    r"(?:\?([^#]*))?"
    r"(#.*)?",
    re.DOTALL,
)
_MAX_PORT = 65535
# No name has more than 253 bytes, and the time that Punycode takes grows by the square.
_MAX_NAME = 1000
# URL Standard, 3.2: forbidden domain code points.
_FORBIDDEN = re.compile(r"[\x00-\x20#%/:<>?@\[\\\]^|\x7f]")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_IPV6 = re.compile(r"[0-9A-Fa-f:.]*")
_ZEROS = re.compile(r"(?<![^:])0(?::0)+(?![^:])")
_JOINERS = "\u200c\u200d"
# URL Standard, 1.3: what the path and query percent-encode sets leave alone.
_ASCII = "".join(map(chr, range(0x21, 0x7F)))
_SAFE_IN_PATH = _ASCII.translate(str.maketrans("", "", '"#<>?^`{}'))
_SAFE_IN_QUERY = _ASCII.translate(str.maketrans("", "", "\"#<>'"))
_DOT = (".", "%2e")
_DOT_DOT = ("..", ".%2e", "%2e.", "%2e%2e")


class WebURL(NamedTuple):
    """
    A URL in its parts.

    :ivar scheme: ``ws``, ``wss``, ``http`` or ``https``.
    :ivar userinfo: user and password as they were written; empty if there are none.
    :ivar host: a name in ASCII, an IPv4 address of four numbers, or an IPv6 address in
        brackets.
    :ivar port: the port; None for the scheme's own.
    :ivar path: starts with a slash, and has no dots left.
    :ivar query: None if there is none.
    :ivar hasFragment: whether there is a fragment, even an empty one.
    """

    scheme: str
    userinfo: str
    host: str
    port: int | None
    path: str
    query: str | None
    hasFragment: bool


def parseWebURL(text: str) -> WebURL:
    """
    Read an absolute URL.

    :param text: without surrogates.
    :raises ValueError: naming the part that is wrong, without quoting it.
    """
    found = _PARTS.fullmatch(trimmed(text))
    scheme = "" if found is None else found[1].lower()
    if found is None or scheme not in _DEFAULT_PORTS:
        raise ValueError("the scheme must be ws, wss, http or https")
    userinfo, _, place = found[2].rpartition("@")
    host, port = _split(place)
    return WebURL(
        scheme=scheme,
        userinfo=userinfo,
        host=_parseHost(host),
        port=_parsePort(port, _DEFAULT_PORTS[scheme]),
        path=_parsePath(found[3]),
        query=None if found[4] is None else quote(found[4], _SAFE_IN_QUERY),
        hasFragment=found[5] is not None,
    )


def trimmed(text: str) -> str:
    """
    A URL without the spaces and control characters that its reader ignores.
    """
    return text.strip(_AROUND).translate(_WITHIN)


def standIn(host: str) -> str:
    """
    Make a name of the same form for IDNA, which knows fewer than name servers do:
    without underscores, and with nothing encoded.

    :param host: a name in ASCII.
    """
    return host.lower().replace("_", "x").replace("xn--", "x-x-")


def endsInNumber(host: str) -> bool:
    """
    Is this an IPv4 address, in one form or another, or else no host at all? (URL
    Standard, 3.5: "ends in a number")
    """
    last = host.removesuffix(".").rpartition(".")[2]
    return _NUMBER.fullmatch(last) is not None


def _split(place: str) -> tuple[str, str]:
    """
    Part host and port.
    """
    if not place.startswith("["):
        host, _, port = place.partition(":")
        return host, port
    address, bracket, port = place.partition("]")
    if port and not port.startswith(":"):
        raise ValueError("nothing but a port can follow an address in brackets")
    return address + bracket, port[1:]


def _parsePort(text: str, default: int) -> int | None:
    if not text:
        return None
    digits = text.lstrip("0") or "0"
    if not (text.isascii() and text.isdigit() and len(digits) <= len(str(_MAX_PORT))):
        raise ValueError(f"the port must be a number up to {_MAX_PORT}")
    port = int(digits)
    if port > _MAX_PORT:
        raise ValueError(f"the port must be a number up to {_MAX_PORT}")
    return None if port == default else port


# Hosts (URL Standard, 3)


def _parseHost(text: str) -> str:
    if text.startswith("["):
        return f"[{_parseIPv6(text)}]"
    host = _toASCII(unquote_to_bytes(text).decode("utf-8", "replace"))
    if not host or _FORBIDDEN.search(host):
        raise ValueError("the host must be a name or an address")
    return _parseIPv4(host) if endsInNumber(host) else host


def _parseIPv6(text: str) -> str:
    inner = text[1:-1]
    # Python's addresses have zones, those of the standard have none.
    if not text.endswith("]") or _IPV6.fullmatch(inner) is None:
        raise ValueError("brackets hold an IPv6 address without a zone")
    number = int(IPv6Address(inner))
    pieces = [f"{number >> shift & 0xFFFF:x}" for shift in range(112, -1, -16)]
    whole = ":".join(pieces)
    runs = list(_ZEROS.finditer(whole))
    if not runs:
        return whole
    # The first of the longest.
    run = max(runs, key=lambda each: len(each[0]))
    before, after = whole[: run.start()], whole[run.end() :]
    return f"{before.removesuffix(':')}::{after.removeprefix(':')}"


def _parseIPv4(host: str) -> str:
    """
    Read what ends in a number: up to four numbers, of which the last fills the rest.
    """
    *first, last = [_parseNumber(part) for part in host.removesuffix(".").split(".")]
    if len(first) > 3 or max(first, default=0) > 255 or last >= 256 ** (4 - len(first)):
        raise ValueError("the numbers of an IPv4 address must be up to 255")
    octets = [*first, *last.to_bytes(4 - len(first), "big")]
    return ".".join(map(str, octets))


def _parseNumber(text: str) -> int:
    """
    Read a number in decimal, or after ``0x`` in hexadecimal, or after ``0`` in octal.
    """
    if _NUMBER.fullmatch(text) is None:
        raise ValueError("the host ends in a number and is not an IPv4 address")
    if text[:2] in ("0x", "0X"):
        return int(text[2:] or "0", 16)
    return int(text, 8 if text.startswith("0") else 10)


def _toASCII(domain: str) -> str:
    """
    Make the ASCII form of a name (UTS #46, 4.2 with the flags of the URL Standard).
    """
    if domain.isascii() and "xn--" not in domain.lower():
        return domain.lower()
    if len(domain) > _MAX_NAME:
        raise ValueError(
            f"an internationalized host has at most {_MAX_NAME} characters"
        )
    try:
        mapped = idna.uts46_remap(domain, std3_rules=False, transitional=False)
        labels = [_decodeLabel(label) for label in mapped.split(".")]
        _checkBidi(labels)
    except (idna.IDNAError, UnicodeError):
        raise ValueError("the host has a character that no name can have") from None
    return ".".join(map(_encodeLabel, labels))


def _decodeLabel(label: str) -> str:
    if label.isascii() and not label.startswith("xn--"):
        return label
    if label.startswith("xn--"):
        label = label.removeprefix("xn--").encode("ascii").decode("punycode")
        isMapped = idna.uts46_remap(label, std3_rules=False, transitional=False)
        if label.isascii() or label != isMapped:
            raise ValueError("the host has a label that is not valid Punycode")
    _checkLabel(label)
    return label


def _checkLabel(label: str) -> None:
    """
    Check a label that is not ASCII (UTS #46, 4.1).
    """
    isJoined = all(
        idna.valid_contextj(label, place)
        for place, character in enumerate(label)
        if character in _JOINERS
    )
    if not isJoined or "." in label or category(label[0]).startswith("M"):
        raise ValueError("the host has a label that is not valid")


def _checkBidi(labels: Sequence[str]) -> None:
    """
    Check names with letters that are written from the right (RFC 5893, 2).
    """
    letters = (bidirectional(each) for label in labels for each in label)
    if any(kind in ("R", "AL", "AN") for kind in letters):
        for label in filter(None, labels):
            idna.check_bidi(label, check_ltr=True)


def _encodeLabel(label: str) -> str:
    if label.isascii():
        return label
    return f"xn--{label.encode('punycode').decode('ascii')}"


# What is asked for there


def _parsePath(text: str) -> str:
    """
    Read a path, in which dots lead up and backslashes are slashes.
    """
    segments = text.replace("\\", "/").split("/")[1:]
    kept: list[str] = []
    for segment in segments:
        if segment.lower() in _DOT_DOT:
            del kept[-1:]
        elif segment.lower() not in _DOT:
            kept.append(quote(segment, _SAFE_IN_PATH))
    if segments and segments[-1].lower() in (*_DOT, *_DOT_DOT):
        kept.append("")
    return "/" + "/".join(kept)
