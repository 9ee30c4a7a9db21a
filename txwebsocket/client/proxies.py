# -*- test-case-name: tests.client.test_proxies -*-
# Part of txwebsocket. See LICENSE for details.
"""
Endpoints that lead to a host through a proxy.
"""

from __future__ import annotations

from typing import Any, ClassVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost, NoProtocol
from twisted.internet.interfaces import (
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from txwebsocket.connection.errors import ProxyFailed, ProxyRejected
from txwebsocket.connection.protocolfactory import SingleProtocolFactory
from txwebsocket.handshake.httpconnect import ConnectDialogue, ProxyHandshake
from txwebsocket.handshake.socks5 import SocksDialogue
from txwebsocket.wire.errors import BadResponse

_ENDS = (ConnectionDone, ConnectionLost)


@implementer(IStreamClientEndpoint)
class _ProxyEndpoint:
    """
    What the endpoints of all proxies have in common.
    """

    _Dialogue: ClassVar[type[ConnectDialogue | SocksDialogue]]

    def __init__(
        self,
        reactor: IReactorTime,
        endpoint: IStreamClientEndpoint,
        host: str,
        port: int,
        *,
        username: str | None = None,
        password: str = "",
        timeout: float | None = 30.0,
        name: str = "the proxy",
    ) -> None:
        self._reactor = reactor
        self._endpoint = endpoint
        credentials = None if username is None else (username, password)
        self._destination = (host, port, credentials)
        self._timeout = timeout
        self._name = name
        # What can't be said is noticed before anybody waits for it.
        self._Dialogue(*self._destination)

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect to the proxy, and through it to the host.

        :return: a Deferred of the protocol that the factory makes. Cancelling it closes
            the socket.
        """
        dialogue = self._Dialogue(*self._destination)
        tunnel = _ProxyProtocol(dialogue, protocolFactory, self._name)
        reached = tunnel.start(self._endpoint)
        if self._timeout is None:
            return reached
        return reached.addTimeout(self._timeout, self._reactor, self._late)

    def _late(self, result: Any, timeout: float) -> Any:
        if isinstance(result, Failure) and not result.check(ProxyRejected):
            cause = TimeoutError(f"no answer within {timeout} seconds")
            raise ProxyFailed(self._name, cause)
        return result


class HTTPProxyEndpoint(_ProxyEndpoint):
    """
    Leads to a host through an HTTP proxy (``CONNECT``: RFC 9110, 9.3.6).

    ``connect`` fails with :exc:`ProxyRejected` if the proxy says no, and with
    :exc:`ProxyFailed` if anything else goes wrong until it leads on.

    :param reactor: keeps the time.
    :param endpoint: leads to the proxy: over TCP or TLS, or through another proxy.
    :param host: where to; a name in ASCII, or an address.
    :param port: its port there.
    :param username: who we are, for proxies that want to know (Basic: RFC 7617).
    :param password: what belongs to that.
    :param timeout: seconds for all of it, the way to the proxy included; None for no
        limit.
    :param name: what errors call the proxy.
    :raises ValueError: if a proxy can't be asked for this.
    """

    _Dialogue = ConnectDialogue


class SOCKSProxyEndpoint(_ProxyEndpoint):
    """
    Leads to a host through a SOCKS 5 proxy (RFC 1928).

    ``connect`` fails with :exc:`ProxyRejected` if the proxy says no, and with
    :exc:`ProxyFailed` if anything else goes wrong until it leads on.

    :param reactor: keeps the time.
    :param endpoint: leads to the proxy: over TCP or TLS, or through another proxy.
    :param host: where to; a name in ASCII, which the proxy looks up, or an address.
    :param port: its port there.
    :param username: who we are, for proxies that want to know (RFC 1929).
    :param password: what belongs to that.
    :param timeout: seconds for all of it, the way to the proxy included; None for no
        limit.
    :param name: what errors call the proxy.
    :raises ValueError: if a proxy can't be asked for this.
    """

    _Dialogue = SocksDialogue


class _ProxyProtocol(Protocol):
    """
    Talk to a proxy; once it leads on, carry what is for the protocol at the end.
    """

    def __init__(
        self, dialogue: ProxyHandshake, factory: IProtocolFactory, name: str
    ) -> None:
        self._dialogue = dialogue
        self._factory = factory
        self._name = name
        self._isOver = False
        self._isUnanswered = True
        self._inner: IProtocol | None = None
        self._connecting: Deferred[Any] | None = None
        self._reached: Deferred[IProtocol] = Deferred(self._cancelled)

    def start(self, endpoint: IStreamClientEndpoint) -> Deferred[IProtocol]:
        """
        Connect to the proxy and begin to talk.
        """
        self._connecting = endpoint.connect(SingleProtocolFactory(self))
        # Its result is this protocol, which must not refer to itself.
        self._connecting.addCallbacks(_ignore, self._failed)
        return self._reached

    def connectionMade(self) -> None:
        transport: Any = self.transport
        if self._isOver:
            transport.abortConnection()
        else:
            transport.write(self._dialogue.initialRequest())

    def dataReceived(self, data: bytes) -> None:
        if self._inner is not None:
            self._inner.dataReceived(data)
        elif not self._isOver:
            self._converse(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._inner is None:
            self._failed(reason)
        else:
            self._inner.connectionLost(reason)
            self._factory.doStop()

    def _converse(self, data: bytes) -> None:
        self._isUnanswered = False
        transport: Any = self.transport
        try:
            answer = self._dialogue.feed(data)
        except BadResponse:
            self._failed(Failure())
            return
        if answer:
            transport.write(answer)
        if self._dialogue.isComplete and self._dialogue.refusal is None:
            self._leadOn()
        elif self._dialogue.isComplete:
            self._failed(connectionDone)

    def _leadOn(self) -> None:
        """
        Give the transport to the protocol at the end.
        """
        transport: Any = self.transport
        try:
            inner = self._factory.buildProtocol(transport.getPeer())
            if inner is None:
                raise NoProtocol
            self._inner = inner
            self._factory.doStart()
            inner.makeConnection(transport)
        except BaseException:  # noqa: BLE001 - factories and protocols may raise anything
            self._end(Failure())
            return
        if self._isOver:
            # Given up by the protocol itself.
            return
        self._isOver = True
        self._reached.callback(inner)
        rest = self._dialogue.takeRemaining()
        if rest:
            inner.dataReceived(rest)

    # Ends

    def _cancelled(self, reached: Deferred[IProtocol]) -> None:
        self._failed(Failure(CancelledError()))

    def _failed(self, failure: Failure) -> None:
        """
        A refusal explains more than what came after it, and a proxy on the way to this
        one has explained it all.
        """
        refusal = self._dialogue.refusal
        if refusal is not None:
            failure = Failure(ProxyRejected(self._name, refusal))
        elif not failure.check(ProxyFailed):
            cause = failure.value or ConnectionDone()
            isSilent = self._isUnanswered and isinstance(cause, _ENDS)
            hint = "the scheme of its URL may be wrong" if isSilent else ""
            failure = Failure(ProxyFailed(self._name, cause, hint))
        self._end(failure)

    def _end(self, failure: Failure) -> None:
        """
        Fail, once; let go of all that was taken.
        """
        if self._isOver:
            return
        self._isOver = True
        transport: Any = self.transport
        if transport is not None:
            transport.abortConnection()
        elif self._connecting is not None:
            self._connecting.cancel()
        self._reached.errback(failure)


def _ignore(_: object) -> None:
    return None
