# -*- test-case-name: tests.client.test_endpoint -*-
# Part of txwebsocket. See LICENSE for details.
"""
The response that rejects a client, as a stream: its body may still be arriving.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IProtocol, IPushProducer, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone, ResponseFailed
from twisted.web.http import PotentialDataLoss
from twisted.web.iweb import UNKNOWN_LENGTH
from zope.interface import implementer

from txwebsocket.connection.errors import RefusalResponse
from txwebsocket.connection.timerqueue import Timer
from txwebsocket.deferreds import runApplication
from txwebsocket.handshake.response import BodyReader, ResponseHead
from txwebsocket.wire.errors import BadResponse

_log = Logger()


class StreamedResponse(RefusalResponse):
    """
    A response whose body is delivered as it arrives.

    It is a protocol to its transport (``dataReceived``, ``connectionLost``), which it
    cuts when the body is complete, has too many bytes, or takes too long.

    :param transport: brings the body.
    :param clock: keeps the time.
    :param seconds: how long the body may take.
    :param tooLate: the error of a body that takes longer.
    """

    def __init__(
        self,
        head: ResponseHead,
        transport: Any,
        clock: IReactorTime,
        seconds: float,
        tooLate: TimeoutError,
    ) -> None:
        super().__init__(head, b"")
        self._transport = transport
        self._protocols: list[IProtocol] = []
        self._ended: Failure | None = None
        isLate = partial(self._fail, Failure(tooLate))
        self._timer = Timer(clock, seconds, isLate)
        try:
            self._reader = BodyReader(head)
        except BadResponse:
            self._reader = BodyReader(head._replace(headers=()))
            self._fail(Failure())
        length = self._reader.length
        self.length = UNKNOWN_LENGTH if length is None else length
        # There may be no body.
        self.dataReceived(b"")

    @property
    def body(self) -> bytes:
        """
        The bytes of the body that have arrived so far, at most 64 KiB.
        """
        return self._reader.body

    def deliverBody(self, protocol: IProtocol) -> None:
        """
        Give the body to a protocol: the bytes that have arrived at once, and others as
        they arrive. The protocol's transport can pause them, and cut the connection.

        The protocol's ``connectionLost`` is given ``ResponseDone`` if the body is
        complete, and ``PotentialDataLoss`` if it may have had more bytes. If it was cut
        short or malformed, it is given ``ResponseFailed``, which has the reason.
        """
        transport: Any = _BodyTransport(self._transport, self.abort)
        protocol.makeConnection(transport)
        if self.body:
            protocol.dataReceived(self.body)
        if self._ended is None:
            self._protocols.append(protocol)
        else:
            protocol.connectionLost(self._ended)

    def dataReceived(self, data: bytes) -> None:
        """
        Take a part of the body.
        """
        if self._ended is not None:
            return
        try:
            part = self._reader.feed(data)
        except BadResponse:
            self._fail(Failure())
            return
        if part:
            for protocol in list(self._protocols):
                runApplication(self._raised, protocol.dataReceived, part)
        if self._reader.isComplete:
            error = PotentialDataLoss if self._reader.isCut else ResponseDone
            self._end(Failure(error()))

    def connectionLost(self, reason: Failure) -> None:
        """
        No more will arrive.
        """
        if reason.check(ConnectionDone) and not self._reader.isDelimited:
            self._end(Failure(PotentialDataLoss()))
        else:
            self._fail(reason)

    def abort(self) -> None:
        """
        Cut the connection: no more of the body is wanted.
        """
        # At once, so that a cancelled readBody() hears of the end once.
        self._fail(Failure(ConnectionAborted()))

    def _raised(self, failure: Failure) -> None:
        self._log(failure)
        self._fail(failure)

    def _log(self, failure: Failure) -> None:
        _log.failure("An error in a protocol that takes a body", failure)

    def _fail(self, reason: Failure) -> None:
        self._end(Failure(ResponseFailed([reason])))

    def _end(self, reason: Failure) -> None:
        if self._ended is not None:
            return
        self._ended = reason
        self._timer.cancel()
        self._transport.abortConnection()
        protocols, self._protocols = self._protocols, []
        for protocol in protocols:
            runApplication(self._log, protocol.connectionLost, reason)


@implementer(IPushProducer)
class _BodyTransport:
    """
    The transport of a protocol that takes a body.
    """

    def __init__(self, transport: Any, abort: Callable[[], None]) -> None:
        self.pauseProducing = transport.pauseProducing
        self.resumeProducing = transport.resumeProducing
        self.stopProducing = self.loseConnection = self.abortConnection = abort
