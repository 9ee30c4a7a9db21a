# -*- test-case-name: tests.connection.test_upgraded -*-
# Part of txwebsocket. See LICENSE for details.
"""
WebSockets on transports whose opening handshake took place elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.interfaces import IProtocol, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from txwebsocket.config import ClientConfig, ServerConfig
from txwebsocket.connection.sockets import configureSocket
from txwebsocket.connection.websocket import WebSocketConnection, makeChannel
from txwebsocket.wire.codes import Role
from txwebsocket.wire.config import ConnectionConfig
from txwebsocket.wire.errors import BadResponse, InvalidState
from txwebsocket.wire.extensions import NegotiatedExtension, acceptOffers, checkAnswers
from txwebsocket.wire.grammar import ExtensionHeader, formatExtensions, parseExtensions
from txwebsocket.wire.states import State


class UpgradedProtocol(Protocol):
    """
    A Twisted protocol that speaks WebSocket from its first byte, because the opening
    handshake took place elsewhere, or is not needed. The connection is open as soon as
    there is a transport.

    It checks nothing of a handshake: the other HTTP implementation has to see to
    origins, hosts, ``Sec-WebSocket-Accept`` and the subprotocol.

    The transport must be able to pause, to take a producer and to abort, as those of
    TCP, TLS and UNIX sockets are. No other producer may be registered with it.

    :param reactor: keeps the time.
    :param config: the options. Their class chooses the role: a client, which masks its
        frames, with :class:`ClientConfig`, and a server with :class:`ServerConfig`.
    :param application: is told what arrives, see :class:`WebSocketProtocol`; a
        connection without one is in pull style.
    :param subprotocol: the one that was agreed on.
    :param extensions: those that were agreed on, as in the response's
        ``Sec-WebSocket-Extensions``. The options must have them.
    :param early: the received bytes behind the handshake: the first frames.
    :raises TypeError: if the options are of another class.
    :raises ValueError: if the options can't lead to these extensions.
    :ivar connection: the :class:`WebSocketConnection`. It can send when the protocol
        has a transport.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        config: ServerConfig | ClientConfig,
        *,
        application: object | None = None,
        subprotocol: str | None = None,
        extensions: str = "",
        early: bytes = b"",
    ) -> None:
        role = _roleOf(config)
        self._agreed = _agree(role, config, extensions)
        self._channel = makeChannel(role, config, reactor)
        self._application = application
        self._early = early
        self.connection: WebSocketConnection = self._channel.connection
        self.connection.protocol = subprotocol
        # The instance's own methods hide the class's: nothing stands between.
        vars(self).update(
            dataReceived=self._channel.dataReceived,
            connectionLost=self._channel.connectionLost,
        )

    def connectionMade(self) -> None:
        """
        There is a transport: the connection is open.
        """
        channel = self._channel
        transport: Any = self.transport
        application, self._application = self._application, None
        early, self._early = self._early, b""
        configureSocket(transport, channel.config)
        channel.makeConnection(transport)
        if application is not None:
            channel.run(channel.attachApplication, application)
        if channel.core.state is State.CONNECTING:
            channel.opened(early, self._agreed)


def adoptConnection(
    protocol: IProtocol,
    reactor: IReactorTime,
    config: ServerConfig | ClientConfig,
    *,
    application: object | None = None,
    subprotocol: str | None = None,
    extensions: str = "",
    early: bytes = b"",
) -> WebSocketConnection:
    """
    Turn the connection of another protocol, which has performed the opening handshake,
    into a WebSocket.

    All data that the transport receives from now on is the WebSocket's. The other
    protocol is only told when the connection is lost.

    :param protocol: a Twisted protocol with a transport, of a class without
        ``__slots__``. Any producer of its own must be unregistered.
    :param reactor: keeps the time.
    :param config: the options, as for :class:`UpgradedProtocol`, and so are the other
        arguments.
    :return: the connection, which is open.
    :raises InvalidState: if the protocol has no transport.
    :raises TypeError: as :class:`UpgradedProtocol` does.
    :raises ValueError: likewise.
    """
    adopted: Any = protocol
    transport = adopted.transport
    if transport is None:
        raise InvalidState(f"{protocol!r} has no transport")
    upgraded = UpgradedProtocol(
        reactor,
        config,
        application=application,
        subprotocol=subprotocol,
        extensions=extensions,
        early=early,
    )
    toldBefore = adopted.connectionLost

    def connectionLost(reason: Failure = connectionDone) -> None:
        # The methods go, and with them the cycles that they are part of.
        del adopted.dataReceived, adopted.connectionLost
        try:
            upgraded.connectionLost(reason)
        finally:
            toldBefore(reason)

    adopted.dataReceived = upgraded.dataReceived
    adopted.connectionLost = connectionLost
    # It may have been paused while the handshake was checked.
    transport.resumeProducing()
    upgraded.makeConnection(transport)
    return upgraded.connection


def _roleOf(config: object) -> Role:
    if isinstance(config, ClientConfig):
        return Role.CLIENT
    if isinstance(config, ServerConfig):
        return Role.SERVER
    raise TypeError(
        f"config must be a ServerConfig or a ClientConfig, not {type(config).__name__}"
    )


def _agree(
    role: Role, config: ConnectionConfig, header: str
) -> Sequence[NegotiatedExtension]:
    """
    Find the extensions that a response names.
    """
    named = parseExtensions([header.encode("latin-1")] if header else [])
    if role is Role.CLIENT:
        try:
            return checkAnswers(config.extensions, named)
        except BadResponse as error:
            raise ValueError(f"extensions: {error}") from None
    agreed = acceptOffers(config.extensions, named)
    answered = [extension for extension, _ in agreed]
    if list(map(_meaning, answered)) != list(map(_meaning, named)):
        answer = formatExtensions(answered)
        raise ValueError(
            f"extensions must be what these options lead to, {answer!r}, not {header!r}"
        )
    return [
        NegotiatedExtension(*each)
        for each in zip(named, (t for _, t in agreed), strict=True)
    ]


def _meaning(
    extension: ExtensionHeader,
) -> tuple[str, frozenset[tuple[str, str | None]]]:
    """
    An extension without the order of its parameters, of which servers have their own.
    """
    return extension.name, frozenset(extension.parameters)
