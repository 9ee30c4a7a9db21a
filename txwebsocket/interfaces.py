# -*- test-case-name: tests.test_interfaces -*-
# Part of txwebsocket. See LICENSE for details.
"""
What an application gives to a WebSocket, and what it gets.

The names and contracts are those of ``twisted.web.websocket``, so that an application
written for it moves here by changing an import. What is more than that is optional.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Protocol, TypeAlias, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest

Waited: TypeAlias = Deferred[Any] | Coroutine[Deferred[Any], Any, Any] | None
"""
What a hook may return: None, or something to wait for before the next message.
"""


class WebSocketTransport(Protocol):
    """
    What an application sends messages with: a connection, under the names that
    ``twisted.web.websocket`` gave them.
    """

    def sendTextMessage(self, text: str) -> None:
        """
        Send a text message.
        """

    def sendBytesMessage(self, data: bytes) -> None:
        """
        Send a binary message.
        """

    def loseConnection(self, code: int = 1000) -> Any:
        """
        Close the connection with this code.
        """

    def ping(self, payload: bytes = b"") -> Any:
        """
        Ask the peer for a pong.
        """

    def attachProducer(self, producer: IPushProducer) -> None:
        """
        Pause and resume this producer as the peer takes what is sent.
        """

    def detachProducer(self) -> None:
        """
        Leave the attached producer alone again.
        """


class WebSocketProtocol:
    """
    A base class for applications in callback style: override what you need.

    Methods that receive something may be coroutine functions, or return a Deferred or
    an asyncio future. The next message then waits for the result, in a bounded queue.
    Pings are answered meanwhile, and a close is noticed. ``concurrentMessages`` lets
    more messages be dealt with at a time. If a method raises anything, be it an
    ``Exception`` or not, that is logged, and the connection is closed with 1011; no
    other connection is touched.

    An application need not inherit from this; methods it lacks are not called.

    :ivar connection: the :class:`WebSocketConnection`, set before
        :meth:`negotiationStarted`.
    """

    connection: Any

    def negotiationStarted(self, transport: WebSocketTransport) -> None:
        """
        The opening handshake has begun. Nothing can be sent yet. On a server the
        connection's ``protocol`` is chosen and its ``request`` known; on a client the
        server has not answered yet.

        :param transport: the connection.
        """

    def negotiationFinished(self) -> None:
        """
        The connection is open: messages can be sent.
        """

    def textMessageReceived(self, message: str) -> Waited:
        """
        A text message arrived.
        """

    def bytesMessageReceived(self, data: bytes) -> Waited:
        """
        A binary message arrived.
        """

    async def messageStarted(self, message: Any) -> None:
        """
        A message has begun to arrive. This is called instead of the two above, if
        ``streamMessages`` is on. Unless it is overridden, it waits for the whole
        message, and calls one of them.

        What is left of the message when this is over is discarded, but for what goes to
        a consumer. The next message waits for that.

        :param message: an :class:`MessageReader`.
        """
        whole = await message.whole()
        hook = self.textMessageReceived if message.isText else self.bytesMessageReceived
        result = hook(whole)
        if isinstance(result, Deferred | Coroutine):
            await result

    def frameReceived(self, frame: Any) -> Waited:
        """
        A frame arrived. This is called for text, binary and continuation frames, and
        instead of the two above, if ``assembleFragments`` is off.

        :param frame: a :class:`WebSocketFrame`.
        """

    def pingReceived(self, payload: bytes) -> bool | Waited:
        """
        A ping arrived. It is answered, unless this returns False, or what it returns
        has that result.
        """

    def pongReceived(self, payload: bytes) -> Waited:
        """
        A pong arrived, asked for or not.
        """

    def messagesDropped(self, count: int) -> Waited:
        """
        The peer takes messages again, after some were left out because too much waited
        (``whenBufferFull=BufferPolicy.DROP``). Nothing waits now: send it what it needs
        to be up to date.

        :param count: how many were left out since the last time.
        """

    def connectionLost(self, reason: Failure) -> None:
        """
        The connection is gone. This is called once, whatever happened, and last.
        Messages that were queued when the peer closed are delivered before.

        :param reason: its value is a :exc:`ConnectionClosed`, whose ``report`` says
            how it ended. It is a Twisted ``ConnectionDone`` as well if the connection
            ended cleanly, else a ``ConnectionLost``.
        """


_P_co = TypeVar("_P_co", covariant=True)
"""
The class of a factory's applications.
"""


class WebSocketServerFactory(Protocol[_P_co]):
    """
    Makes the application for each connection to a server, as
    ``WebSocketServerFactory[Chat]`` one of the class ``Chat``.
    """

    def buildProtocol(self, request: IRequest) -> _P_co | None:
        """
        Make the application for one connection.

        :param request: the twisted.web request that asks for it.
        :return: the application, as :class:`WebSocketProtocol` describes it; or None to
            refuse the request with 403.
        """


class WebSocketClientFactory(Protocol[_P_co]):
    """
    Makes the application for each connection of a client, as
    ``WebSocketClientFactory[Chat]`` one of the class ``Chat``.
    """

    def buildProtocol(self, url: str) -> _P_co:
        """
        Make the application for one connection.

        :param url: where it leads.
        :return: the application, as :class:`WebSocketProtocol` describes it.
        """
