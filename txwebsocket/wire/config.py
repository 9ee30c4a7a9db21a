# -*- test-case-name: tests.test_config -*-
# Part of txwebsocket. See LICENSE for details.
"""
The options of a connection of either role. Durations are seconds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any

from txwebsocket.wire.checks import (
    flagOption,
    fractionOption,
    numberOption,
    option,
    secondsOption,
    secondsOrNoneOption,
    sizeOption,
    sizeOrNoneOption,
)
from txwebsocket.wire.extensions import ExtensionNegotiator

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


def _lowWaterMark() -> Any:
    return option(
        None,
        "a whole number of bytes, at least 0, or None for a quarter of highWaterMark",
        lambda value: value is None or (type(value) is int and value >= 0),
    )


def _policy() -> Any:
    return option(
        BufferPolicy.CLOSE,
        f"one of {', '.join(map(str, BufferPolicy))}",
        lambda value: isinstance(value, BufferPolicy),
    )


def _extensions() -> Any:
    return option((), "a list of extensions such as Deflate()", _isExtensions)


def _isExtensions(value: object) -> bool:
    return isinstance(value, tuple) and all(
        hasattr(each, "offers") and not isinstance(each, type) for each in value
    )


def _isSeries(value: object) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionConfig:
    """
    What can be chosen for a connection of either role.

    :raises ValueError: when it is made, naming the option and what it accepts.
    """

    maxReceivedFrameSize: int | None = sizeOrNoneOption(None)
    """
    Bytes in one frame. None sets no limit beyond the message's, since browsers and most
    libraries send each message in one frame.
    """

    maxReceivedMessageSize: int | None = sizeOrNoneOption(_MIB)
    """
    Bytes in one message. A peer that announces more is told 1009 before it has sent
    them. None, for no limit, needs :attr:`streamMessages`, with which a message is not
    held as a whole.
    """

    assembleFragments: bool = flagOption(True)
    """
    Deliver whole messages. If false, each frame goes to ``frameReceived`` instead; the
    limits and rules are the same.
    """

    streamMessages: bool = flagOption(False)
    """
    Receive messages in pieces, as they arrive, with ``messageStarted`` or
    ``receiveStream()``. Who takes whole messages still gets them. The limits are the
    same, but :attr:`maxReceivedMessageSize` can be as large as a message may be, or
    None, since none is held.
    """

    fragmentOutgoingMessages: bool = flagOption(False)
    """
    Send messages above :attr:`fragmentationThreshold` as several frames.
    """

    fragmentationThreshold: int = sizeOption(16 * _KIB)
    """
    Bytes in each of those frames.
    """

    concurrentMessages: int = numberOption(1)
    """
    Messages at a time whose hooks have returned something to wait for. When there are
    so many, further messages are queued until one of these hooks has finished. Hooks
    are called in the order of the messages, whatever this is.
    """

    highWaterMark: int = sizeOption(64 * _KIB)
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

    maxBufferedBytes: int = sizeOption(16 * _MIB)
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

    keepalive: bool = flagOption(True)
    """
    Send a ping to a peer that has been silent, to learn whether it is still there.
    """

    keepaliveInterval: float = secondsOption(20.0)
    """
    How long a peer may be silent before the ping. Any byte from it counts as life.
    """

    dropConnectionOnKeepaliveTimeout: bool = flagOption(True)
    """
    Drop a peer that stays silent after the ping. If false, it is pinged on and on.
    """

    keepaliveGracePeriod: float = secondsOption(10.0)
    """
    How long a peer may stay silent after the ping. A peer whose system has acknowledged
    much data gets a second more for each 32 KiB that its program may not have read yet,
    up to 256 seconds. A pong proves that all data before its ping was read.
    """

    emptyPings: bool = flagOption(False)
    """
    Send pings without a payload, for peers that answer no others: those of the
    keep-alive, and of ``ping()`` without one. Pongs can then be told apart by their
    order only. If false, the payload is random.
    """

    useNativeKeepalive: bool = flagOption(False)
    """
    Let TCP do this instead, after :attr:`keepaliveInterval`, with its own patience.
    No pings are sent then.
    """

    openTimeout: float = secondsOption(10.0)
    """
    How long the opening may take, all of it: for a client from the look-up of the name
    to the server's answer; for a server until its application has decided.
    """

    deliverAfterClose: bool = flagOption(False)
    """
    Deliver messages that arrive after our own ``close()``, until the peer's close
    frame. If false, they are counted in the report and not delivered.
    """

    closeTimeout: float = secondsOption(5.0)
    """
    How long the closing handshake may make no progress before the connection is
    dropped: the time since the peer last took something of what we had sent before, and
    then for its answer. A peer that may have much to read before our close frame gets
    more time for that, as with :attr:`keepaliveGracePeriod`.
    """

    maxCloseTime: float = secondsOption(300.0)
    """
    How long closing may take in all, for a peer that takes what we have sent, but
    slowly. More than this is cut off.
    """

    writeTimeout: float = secondsOption(30.0)
    """
    How long a peer may take nothing of what waits for it before it is dropped. Where
    the system does not tell how far the peer is, as Linux does over TCP, it may seem to
    take nothing until there is room for more: a part of the socket's buffer.
    """

    maxLifetime: float | None = secondsOrNoneOption(None)
    """
    How long a connection may last before it is closed with 1001, however busy it is.
    """

    lifetimeJitter: float = fractionOption(0.1)
    """
    By what part of itself :attr:`maxLifetime` may be shorter: each connection's is
    drawn by chance, so that those who came together are not all sent away together.
    """

    disableNagleAlgorithm: bool = flagOption(True)
    """
    Send small messages at once (TCP_NODELAY).
    """

    extensions: Sequence[ExtensionNegotiator] = _extensions()
    """
    Extensions to agree on if the peer has them too, such as :class:`Deflate`. They need
    whole messages, and so :attr:`assembleFragments`.
    """

    def __post_init__(self) -> None:
        for each in fields(self):
            accepts, isAccepted = each.metadata["accepts"]
            given = getattr(self, each.name)
            # What can be read once only, or changed later, is kept as it is now.
            value = tuple(given) if _isSeries(given) else given
            if not isAccepted(value):
                raise ValueError(f"{each.name} must be {accepts}, not {given!r}")
            if value is not given:
                object.__setattr__(self, each.name, value)
        if self.maxReceivedMessageSize is None and not self.streamMessages:
            raise ValueError(
                "maxReceivedMessageSize must be a whole number of bytes unless "
                "streamMessages is True, not None"
            )
        if (self.lowWaterMark or 0) >= self.highWaterMark:
            raise ValueError(
                f"lowWaterMark must be below highWaterMark, {self.highWaterMark}, "
                f"not {self.lowWaterMark}"
            )
        if self.extensions and not self.assembleFragments:
            raise ValueError("extensions need assembleFragments to be True")
        if self.streamMessages and not self.assembleFragments:
            raise ValueError("streamMessages needs assembleFragments to be True")


NO_LIMIT = 2**62
"""
More bytes than any message has. Lengths have 63 bits, so that sums stay below 64.
"""


def messageLimit(config: ConnectionConfig) -> int:
    """
    Bytes that one received message may have.
    """
    limit = config.maxReceivedMessageSize
    return NO_LIMIT if limit is None else limit
