# -*- test-case-name: tests.wire.test_options -*-
# Part of txwebsocket. See LICENSE for details.
"""
What can be chosen, for a server and for a client. Durations are seconds.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any, TypeAlias

from txwebsocket.wire.extensions import ExtensionFactory
from txwebsocket.wire.forwarded import TrustedProxies
from txwebsocket.wire.grammar import isToken
from txwebsocket.wire.handshake import VERSIONS
from txwebsocket.wire.origins import INSECURE_ANY_ORIGIN, OriginChooser, OriginPolicy

ProtocolChooser: TypeAlias = Callable[[Sequence[str]], str | None]
"""
Given the subprotocols a client offers, returns one of them or None.
"""

_KIB = 2**10
_MIB = 2**20


class BufferPolicy(Enum):
    """
    What becomes of a message that finds no room within ``maxBufferedBytes``.
    """

    CLOSE = "close the connection with 1008"
    CLOSE_TRY_AGAIN_LATER = "close the connection with 1013"
    RAISE = "raise BufferFull; nothing is sent, and the connection stays open"
    DROP = "leave the message out, count it, and tell the application"


def _option(default: Any, accepts: str, isAccepted: Callable[[Any], bool]) -> Any:
    return field(default=default, metadata={"accepts": (accepts, isAccepted)})


def _flag(default: bool) -> Any:
    return _option(default, "True or False", lambda value: isinstance(value, bool))


def _size(default: int) -> Any:
    return _option(default, "a whole number of bytes, at least 1", _isSize)


def _sizeOrNone(default: int | None) -> Any:
    return _option(
        default,
        "a whole number of bytes, at least 1, or None for no limit",
        lambda value: value is None or _isSize(value),
    )


def _countOrNone(default: int | None) -> Any:
    return _option(
        default,
        "a whole number, at least 1, or None for no limit",
        lambda value: value is None or _isSize(value),
    )


def _number(default: int) -> Any:
    return _option(default, "a whole number, at least 1", _isSize)


def _count(default: int) -> Any:
    return _option(
        default,
        "a whole number, at least 0",
        lambda value: type(value) is int and value >= 0,
    )


def _lowWaterMark() -> Any:
    return _option(
        None,
        "a whole number of bytes, at least 0, or None for a quarter of highWaterMark",
        lambda value: value is None or (type(value) is int and value >= 0),
    )


def _policy() -> Any:
    return _option(
        BufferPolicy.CLOSE,
        f"one of {', '.join(map(str, BufferPolicy))}",
        lambda value: isinstance(value, BufferPolicy),
    )


def _seconds(default: float) -> Any:
    return _option(default, "a number of seconds above 0", _isSeconds)


def _secondsOrNone(default: float | None) -> Any:
    return _option(
        default,
        "a number of seconds above 0, or None for no limit",
        lambda value: value is None or _isSeconds(value),
    )


def _part(default: float) -> Any:
    return _option(
        default,
        "a number from 0 to 1",
        lambda value: _isNumber(value) and 0 <= value <= 1,
    )


def _extensions() -> Any:
    return _option((), "a list of extensions such as Deflate()", _isExtensions)


def _isExtensions(value: object) -> bool:
    return isinstance(value, tuple) and all(
        hasattr(each, "offers") and not isinstance(each, type) for each in value
    )


def _isSize(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _isSeries(value: object) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)


def _isNumber(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _isSeconds(value: Any) -> bool:
    return _isNumber(value) and 0 < value < float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionConfig:
    """
    What can be chosen for a connection of either role.

    :raises ValueError: when it is made, naming the option and what it accepts.
    """

    maxReceivedFrameSize: int | None = _sizeOrNone(None)
    """
    Bytes in one frame. None sets no limit beyond the message's, since browsers and most
    libraries send each message in one frame.
    """

    maxReceivedMessageSize: int = _size(_MIB)
    """
    Bytes in one message. A peer that announces more is told 1009 before it has sent
    them.
    """

    assembleFragments: bool = _flag(True)
    """
    Deliver whole messages. If false, each frame goes to ``frameReceived`` instead; the
    limits and rules are the same.
    """

    streamMessages: bool = _flag(False)
    """
    Receive messages in pieces, as they arrive, with ``messageStarted`` or
    ``nextMessage()``. Who takes whole messages still gets them. The limits are the
    same, but :attr:`maxReceivedMessageSize` can be as large as a message may be, since
    none is held.
    """

    fragmentOutgoingMessages: bool = _flag(False)
    """
    Send messages above :attr:`fragmentationThreshold` as several frames.
    """

    fragmentationThreshold: int = _size(16 * _KIB)
    """
    Bytes in each of those frames.
    """

    concurrentMessages: int = _number(1)
    """
    Messages at a time whose hooks have returned something to wait for. When there are
    so many, the peer is not read from until one of them is dealt with. Hooks are called
    in the order of the messages, whatever this is.
    """

    highWaterMark: int = _size(64 * _KIB)
    """
    Bytes waiting for the peer from which on producers are paused, ``drained()`` waits,
    and a server does not read from it. What the transport holds counts as far as it is
    known: one that is not plain TCP tells only when it holds more than 64 KiB.
    """

    lowWaterMark: int | None = _lowWaterMark()
    """
    Bytes that may still wait when all of them go on. None means a quarter of
    :attr:`highWaterMark`.
    """

    maxBufferedBytes: int = _size(16 * _MIB)
    """
    Bytes that may wait in our queue for a peer that does not read. One message is
    always taken if nothing waits.
    """

    whenBufferFull: BufferPolicy = _policy()
    """
    What becomes of a message that would make it more. A ping, or a part of a message,
    can't be left out and raises with :attr:`BufferPolicy.DROP`, too; a stream of bytes
    can't do without any part, and is closed by each policy.
    """

    keepalive: bool = _flag(True)
    """
    Send a ping to a peer that has been silent, to learn whether it is still there.
    """

    keepaliveInterval: float = _seconds(20.0)
    """
    How long a peer may be silent before the ping. Any byte from it counts as life.
    """

    dropConnectionOnKeepaliveTimeout: bool = _flag(True)
    """
    Drop a peer that stays silent after the ping. If false, it is pinged on and on.
    """

    keepaliveGracePeriod: float = _seconds(10.0)
    """
    How long a peer may stay silent after the ping.
    """

    useNativeKeepalive: bool = _flag(False)
    """
    Let TCP do this instead, after :attr:`keepaliveInterval`, with its own patience.
    No pings are sent then.
    """

    openTimeout: float = _seconds(10.0)
    """
    How long the opening may take, all of it: for a client from the look-up of the name
    to the server's answer; for a server until its application has decided.
    """

    closeTimeout: float = _seconds(5.0)
    """
    How long the closing handshake may take before the connection is dropped.
    """

    writeTimeout: float = _seconds(30.0)
    """
    How long a peer may read nothing of what waits for it before it is dropped; or too
    little, since the system tells of room for more only when some has left: on Linux a
    third of the socket's buffer.
    """

    maxLifetime: float | None = _secondsOrNone(None)
    """
    How long a connection may last before it is closed with 1001, however busy it is.
    """

    lifetimeJitter: float = _part(0.1)
    """
    By what part of itself :attr:`maxLifetime` may be shorter: each connection's is
    drawn by chance, so that those who came together are not all sent away together.
    """

    disableNagleAlgorithm: bool = _flag(True)
    """
    Send small messages at once (TCP_NODELAY).
    """

    extensions: Sequence[ExtensionFactory] = _extensions()
    """
    Extensions to agree on if the peer has them too, such as :class:`Deflate`. They need
    whole messages, and so :attr:`assembleFragments`.
    """

    def __post_init__(self) -> None:
        for option in fields(self):
            accepts, isAccepted = option.metadata["accepts"]
            given = getattr(self, option.name)
            # What can be read once only, or changed later, is kept as it is now.
            value = tuple(given) if _isSeries(given) else given
            if not isAccepted(value):
                raise ValueError(f"{option.name} must be {accepts}, not {given!r}")
            if value is not given:
                object.__setattr__(self, option.name, value)
        if (self.lowWaterMark or 0) >= self.highWaterMark:
            raise ValueError(
                f"lowWaterMark must be below highWaterMark, {self.highWaterMark}, "
                f"not {self.lowWaterMark}"
            )
        if self.extensions and not self.assembleFragments:
            raise ValueError("extensions need assembleFragments to be True")
        if self.streamMessages and not self.assembleFragments:
            raise ValueError("streamMessages needs assembleFragments to be True")


def _origins() -> Any:
    return _option(
        (),
        "a list of origins such as https://example.com or https://*.example.com, "
        "or a callable",
        _isOrigins,
    )


def _isOrigins(value: object) -> bool:
    if callable(value) or value == INSECURE_ANY_ORIGIN:
        return True
    if not isinstance(value, tuple):
        return False
    try:
        OriginPolicy(value)
    except (ValueError, AttributeError, TypeError):
        return False
    return True


def _protocols() -> Any:
    return _option((), "a list of subprotocol names, or a callable", _isProtocols)


def _isProtocols(value: object) -> bool:
    return callable(value) or (
        isinstance(value, tuple)
        and all(isinstance(item, str) and isToken(item) for item in value)
    )


def _networks() -> Any:
    return _option(
        (), "a list of addresses or networks such as 10.0.0.0/8", _isNetworks
    )


def _isNetworks(value: object) -> bool:
    if not isinstance(value, tuple):
        return False
    try:
        TrustedProxies(value)
    except ValueError:
        return False
    return True


def _version() -> Any:
    return _option(
        VERSIONS[0],
        f"one of {', '.join(map(str, VERSIONS))}",
        lambda value: type(value) is int and value in VERSIONS,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig(ConnectionConfig):
    """
    What can be chosen for a server.

    :raises ValueError: when it is made, naming the option and what it accepts.
    """

    origins: Iterable[str] | OriginChooser = _origins()
    """
    Origins of web pages that may connect besides the server's own host and port: exact
    ones, all hosts below one (``https://*.example.com``), or
    :data:`INSECURE_ANY_ORIGIN`. A callable is given the ``Origin`` header and decides
    alone. What is not a browser sends no origin and is not asked.
    """

    subprotocols: Sequence[str] | ProtocolChooser = _protocols()
    """
    Subprotocols for applications that don't choose one themselves, the preferred one
    first; or a callable that is given those the client offers, in its order, and
    returns one of them or None. If the client offers none of them, none is used.
    """

    autoAcceptConnections: bool = _flag(False)
    """
    For a server without an application: accept every request, with the first
    subprotocol the client offers, and leave the connection to who is told of it.
    """

    maxConnections: int | None = _countOrNone(None)
    """
    Connections and pending requests at a time; the next client is answered 503.
    """

    maxConnectionsPerAddress: int | None = _countOrNone(None)
    """
    The same for each client address.
    """

    maxPendingRequests: int | None = _countOrNone(1000)
    """
    Requests that wait for a decision at a time; the next client is answered 503.
    """

    trustedProxies: Iterable[str] = _networks()
    """
    Addresses or networks (``10.0.0.0/8``) of proxies whose ``X-Forwarded-For`` is
    believed. From anybody else it is passed over, since everybody can write it.
    """

    parseCookies: bool = _flag(True)
    """
    Give requests their ``cookies``. If false, there are none.
    """

    parseExtensions: bool = _flag(True)
    """
    Give requests their ``requestedExtensions``. If false, there are none.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientConfig(ConnectionConfig):
    """
    What can be chosen for a client.

    :raises ValueError: when it is made, naming the option and what it accepts.
    """

    maxReceivedMessageSize: int = _size(8 * _MIB)
    """
    Bytes in one message; more than a server takes, since we chose whom to talk to.
    """

    webSocketVersion: int = _version()
    """
    The protocol version to speak: 13, the standard, or 8, its last draft.
    """

    maxRedirects: int = _count(0)
    """
    Redirects to follow, one after the other; 0 follows none, and a server that
    redirects has refused. What is sent to another origin, and where none leads, is in
    the manual.
    """
