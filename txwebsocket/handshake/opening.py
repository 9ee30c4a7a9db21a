# -*- test-case-name: tests.handshake.test_opening -*-
# Part of txwebsocket. See LICENSE for details.
"""
The opening handshake of both roles (RFC 6455, 4), as heads of HTTP messages in and out.

Versions 13 and 8 differ in one header's name on the way: where a page came from is told
in ``Origin`` by the one and in ``Sec-WebSocket-Origin`` by the other.
"""

import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha1

from txwebsocket.handshake.hosts import parseAuthority
from txwebsocket.handshake.response import ResponseHead
from txwebsocket.handshake.targets import isOfHost, parseTarget
from txwebsocket.wire.errors import BadResponse, UpgradeRefused, shown
from txwebsocket.wire.extensions import (
    ExtensionNegotiator,
    NegotiatedExtension,
    checkAnswers,
)
from txwebsocket.wire.grammar import (
    ExtensionHeader,
    formatExtensions,
    isHeaderValue,
    isKey,
    isToken,
    parseExtensions,
    parseProtocols,
    parseTokens,
)

VERSIONS = (13, 8)
"""
The protocol versions both roles speak, the preferred one first.
"""

ORIGIN_HEADERS = {13: "Origin", 8: "Sec-WebSocket-Origin"}
"""
The header in which a client says where it comes from, by the version of the protocol.
"""

_VERSION = re.compile(rb"0|[1-9][0-9]{0,2}")
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_VERSION_HEADER = ("Sec-WebSocket-Version", ", ".join(map(str, VERSIONS)))

UPGRADE_HEADERS = (("Upgrade", "websocket"), _VERSION_HEADER)
"""
What a 426 says about how to ask (RFC 9110, 15.5.22; RFC 6455, 4.4).
"""

_OURS = {
    "connection": "it is part of the handshake",
    "upgrade": "it is part of the handshake",
    "content-length": "a handshake has no body",
    "transfer-encoding": "a handshake has no body",
    "sec-websocket-accept": "it is part of the handshake",
    "sec-websocket-extensions": "it is part of the handshake",
    "sec-websocket-key": "it is part of the handshake",
    "sec-websocket-protocol": "it follows from the subprotocol",
    "sec-websocket-version": "it is part of the handshake",
}


def acceptFor(key: str) -> str:
    """
    The ``Sec-WebSocket-Accept`` that answers a ``Sec-WebSocket-Key`` (RFC 6455, 4.2.2).
    """
    return b64encode(sha1(key.encode("ascii") + _GUID).digest()).decode("ascii")


def checkHeaders(headers: Iterable[tuple[str, str]]) -> None:
    """
    May these be added to a handshake?

    :raises ValueError: naming the first that may not: its name is no token, its value
        has a control character or space at an end, or is not Latin-1, or the handshake
        itself owns it.
    """
    for name, value in headers:
        if not isToken(name):
            raise ValueError(f"{name!r} is not the name of a header")
        if name.lower() in _OURS:
            raise ValueError(f"{name} can't be given: {_OURS[name.lower()]}")
        if value != value.strip(" \t"):
            raise ValueError(f"the value of {name} begins or ends with a space")
        for character in value:
            # Alone, since the whole may be a secret.
            if character > "\xff" or not isHeaderValue(character.encode("latin-1")):
                raise ValueError(f"the value of {name} can't have {character!r} in it")


def checkProtocols(protocols: Iterable[str]) -> None:
    """
    May these be offered as subprotocols? (RFC 6455, 4.1)

    :raises ValueError: if one is no token, or is there twice.
    """
    seen = set()
    for protocol in protocols:
        if not isinstance(protocol, str) or not isToken(protocol):
            raise ValueError(
                f"{shown(repr(protocol))} is not the name of a subprotocol"
            )
        if protocol in seen:
            raise ValueError(f"the subprotocol {shown(repr(protocol))} is there twice")
        seen.add(protocol)


@dataclass(frozen=True, slots=True, kw_only=True)
class HandshakeRequest:
    """
    What a client asks for in its handshake.
    """

    version: int
    """
    The version of the protocol, one of :data:`VERSIONS`.
    """

    key: str
    """
    ``Sec-WebSocket-Key`` as it came.
    """

    host: str
    """
    ``Host`` as it came.
    """

    origin: str | None
    """
    Where the page came from that asks, or what a program says of itself; None if the
    request does not tell.
    """

    protocols: tuple[str, ...]
    """
    The subprotocols, in the client's order of preference and its own spelling.
    """

    extensions: tuple[ExtensionHeader, ...]
    """
    The extensions, in the client's order of preference.
    """


def isUpgrade(upgrade: Sequence[bytes], key: Sequence[bytes]) -> bool:
    """
    Does a request with these ``Upgrade`` and ``Sec-WebSocket-Key`` want a WebSocket?

    The key counts as well, so that a client behind a proxy that dropped ``Upgrade``
    is told so, instead of being shown a page.
    """
    return bool(key) or _names(upgrade, "websocket")


def _names(values: Sequence[bytes], wanted: str) -> bool:
    """
    Does ``Upgrade`` or ``Connection`` name this?
    """
    try:
        return wanted in [name.lower() for name in parseProtocols(values)]
    except ValueError:
        return False


def readRequest(
    method: bytes,
    target: bytes,
    httpVersion: bytes,
    headers: Iterable[tuple[bytes, bytes]],
) -> HandshakeRequest:
    """
    Read and check a client's handshake (RFC 6455, 4.2.1).

    :param target: as in the request line, ``/chat?room=1``.
    :param httpVersion: as in the request line, ``HTTP/1.1``.
    :param headers: names in any case, values as they came, a line each.
    :raises UpgradeRefused: saying how to answer.
    """
    return _RequestReader(headers).read(method, target, httpVersion)


class _RequestReader:
    def __init__(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self._values: dict[str, list[bytes]] = {}
        for name, value in headers:
            self._values.setdefault(name.decode("latin-1").lower(), []).append(value)

    def read(
        self, method: bytes, target: bytes, httpVersion: bytes
    ) -> HandshakeRequest:
        if method != b"GET":
            raise UpgradeRefused(
                405, "A WebSocket is asked for with GET.", [("Allow", "GET")]
            )
        if httpVersion != b"HTTP/1.1":
            raise UpgradeRefused(400, "A WebSocket needs HTTP/1.1.")
        self._checkValues()
        self._checkUpgrade()
        version = self._version()
        return HandshakeRequest(
            version=version,
            key=self._key(),
            host=self._host(target),
            origin=self._origin(ORIGIN_HEADERS[version]),
            protocols=self._protocols(),
            extensions=self._extensions(),
        )

    def _get(self, name: str) -> list[bytes]:
        return self._values.get(name.lower(), [])

    def _one(self, name: str) -> str:
        values = self._get(name)
        if len(values) != 1 or not values[0]:
            raise UpgradeRefused(
                400, f"The header {name} must be there once, with a value."
            )
        return values[0].decode("latin-1")

    def _checkValues(self) -> None:
        for name, values in self._values.items():
            if not all(map(isHeaderValue, values)):
                raise UpgradeRefused(
                    400,
                    f"The header {shown(repr(name))} has a control character in it.",
                )

    def _host(self, target: bytes) -> str:
        host = self._one("Host")
        if parseAuthority(host) is None:
            # RFC 9112, 3.2.
            raise UpgradeRefused(
                400,
                "The header Host must be a name or an address, with or without a port, "
                f"not {shown(repr(host))}.",
            )
        try:
            url = parseTarget(target.decode("latin-1"))
        except ValueError as error:
            raise UpgradeRefused(400, f"Request line: {shown(str(error))}.") from None
        if not isOfHost(url, host):
            raise UpgradeRefused(
                400, "The request target and the header Host must name the same host."
            )
        return host

    def _checkUpgrade(self) -> None:
        if not _names(self._get("Upgrade"), "websocket"):
            raise UpgradeRefused(
                426,
                "This is a WebSocket; the request lacks 'Upgrade: websocket'. "
                "A proxy on the way may have removed it.",
                UPGRADE_HEADERS,
            )
        if not _names(self._get("Connection"), "upgrade"):
            raise UpgradeRefused(400, "The request lacks 'Connection: Upgrade'.")
        lengths = self._get("Content-Length")
        if self._get("Transfer-Encoding") or any(n.strip(b"0") for n in lengths):
            raise UpgradeRefused(400, "A request for a WebSocket has no body.")

    def _version(self) -> int:
        values = self._get("Sec-WebSocket-Version")
        if len(values) != 1 or not _VERSION.fullmatch(values[0]):
            raise UpgradeRefused(
                400,
                "The header Sec-WebSocket-Version must be there once and be a number.",
                [_VERSION_HEADER],
            )
        version = int(values[0])
        if version not in VERSIONS:
            raise UpgradeRefused(
                426,
                f"Version {version} of the WebSocket protocol is not spoken here; "
                f"{' and '.join(map(str, VERSIONS))} are.",
                UPGRADE_HEADERS,
            )
        return version

    def _key(self) -> str:
        key = self._one("Sec-WebSocket-Key")
        if not isKey(key.encode("latin-1")):
            raise UpgradeRefused(400, "Sec-WebSocket-Key is not 16 bytes in base64.")
        return key

    def _origin(self, name: str) -> str | None:
        values = self._get(name)
        if len(values) > 1:
            raise UpgradeRefused(403, f"The header {name} is there more than once.")
        return values[0].decode("latin-1") if values else None

    def _protocols(self) -> tuple[str, ...]:
        try:
            protocols = parseTokens(self._get("Sec-WebSocket-Protocol"))
            checkProtocols(protocols)
        except ValueError as error:
            raise UpgradeRefused(400, f"Sec-WebSocket-Protocol: {error}") from None
        return tuple(protocols)

    def _extensions(self) -> tuple[ExtensionHeader, ...]:
        try:
            return tuple(parseExtensions(self._get("Sec-WebSocket-Extensions")))
        except ValueError as error:
            raise UpgradeRefused(
                400, f"Sec-WebSocket-Extensions: {shown(str(error))}"
            ) from None


def formatAcceptResponse(
    offer: HandshakeRequest,
    protocol: str | None,
    headers: Sequence[tuple[str, str]] = (),
    extensions: Sequence[ExtensionHeader] = (),
) -> bytes:
    """
    The response that accepts an offer (RFC 6455, 4.2.2).

    :param protocol: one of the offered subprotocols, or None.
    :param headers: more headers, checked with :func:`checkHeaders` before.
    :param extensions: those that were agreed on.
    """
    lines = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", acceptFor(offer.key)),
    ]
    if protocol is not None:
        lines.append(("Sec-WebSocket-Protocol", protocol))
    if extensions:
        lines.append(("Sec-WebSocket-Extensions", formatExtensions(extensions)))
    return _head("HTTP/1.1 101 Switching Protocols", [*lines, *headers])


def _head(start: str, headers: Iterable[tuple[str, str]]) -> bytes:
    lines = [start, *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("latin-1")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientHandshake:
    """
    One handshake of a client: the request it sends, and what it makes of the answer.

    The caller has checked ``protocols`` and ``headers`` with :func:`checkProtocols` and
    :func:`checkHeaders`, and made ``target`` and ``host`` from a checked URL.
    """

    host: str
    """
    The value of ``Host``.
    """

    target: str
    """
    Path and query, starting with a slash.
    """

    key: str
    """
    Sixteen random bytes in base64.
    """

    version: int = 13
    protocols: tuple[str, ...] = ()
    requiresProtocol: bool = True
    origin: str | None = None
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    extensions: tuple[ExtensionNegotiator, ...] = ()

    def request(self) -> bytes:
        """
        The request to send (RFC 6455, 4.1).
        """
        headers = [
            ("Host", self.host),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", self.key),
            ("Sec-WebSocket-Version", str(self.version)),
        ]
        if self.protocols:
            headers.append(("Sec-WebSocket-Protocol", ", ".join(self.protocols)))
        offers = [offer for each in self.extensions for offer in each.offers()]
        if offers:
            headers.append(("Sec-WebSocket-Extensions", formatExtensions(offers)))
        if self.origin is not None:
            headers.append((ORIGIN_HEADERS[self.version], self.origin))
        return _head(f"GET {self.target} HTTP/1.1", [*headers, *self.headers])

    def agree(self, head: ResponseHead) -> tuple[str | None, list[NegotiatedExtension]]:
        """
        Check a response with status 101; return the subprotocol and the extensions
        that were agreed on.

        :raises BadResponse: if the server did not accept what was offered.
        """
        if head.version != "1.1":
            raise BadResponse(f"status 101 needs HTTP/1.1, not {head.version}")
        upgrade = head.values("Upgrade")
        if [value.lower() for value in upgrade] != [b"websocket"]:
            raise BadResponse(f"Upgrade must be websocket, not {shown(repr(upgrade))}")
        connection = head.values("Connection")
        if not _names(connection, "upgrade"):
            raise BadResponse(
                f"Connection must name Upgrade, not {shown(repr(connection))}"
            )
        accept = head.values("Sec-WebSocket-Accept")
        if accept != [acceptFor(self.key).encode("ascii")]:
            raise BadResponse(
                f"Sec-WebSocket-Accept doesn't match our key: {shown(repr(accept))}"
            )
        protocol = self._agreeOnProtocol(head.values("Sec-WebSocket-Protocol"))
        try:
            answers = parseExtensions(head.values("Sec-WebSocket-Extensions"))
        except ValueError as error:
            raise BadResponse(
                f"Sec-WebSocket-Extensions: {shown(str(error))}"
            ) from None
        return protocol, checkAnswers(self.extensions, answers)

    def _agreeOnProtocol(self, values: list[bytes]) -> str | None:
        chosen = [value.decode("latin-1") for value in values]
        if not chosen and not (self.protocols and self.requiresProtocol):
            return None
        if len(chosen) != 1 or chosen[0] not in self.protocols:
            offered = ", ".join(self.protocols) or "none"
            wanted = f"one of {offered}" if len(self.protocols) > 1 else offered
            named = [each or "an empty value" for each in chosen]
            answered = shown(", ".join(named) or "none")
            raise BadResponse(f"the subprotocol must be {wanted}, not {answered}")
        return chosen[0]
