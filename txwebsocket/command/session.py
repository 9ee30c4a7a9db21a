# -*- test-case-name: tests.command.test_session -*-
# Part of txwebsocket. See LICENSE for details.
"""
One conversation, from connecting to the exit status.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from txwebsocket.command.commands import Commands
from txwebsocket.command.console import BadInput, Console
from txwebsocket.command.escaping import escapeControls, quoted
from txwebsocket.connection.errors import ConnectionRejected, RefusalResponse
from txwebsocket.connection.websocket import WebSocketConnection
from txwebsocket.interfaces import WebSocketProtocol
from txwebsocket.wire.codes import CloseCause, CloseCode
from txwebsocket.wire.errors import ConnectionClosed, HandshakeError, shown
from txwebsocket.wire.report import CloseReport

QUIET = 1.0
"""
Seconds without a message after the input has ended, before we close.
"""

_BODY_SHOWN = 1000
_FINE = (CloseCode.NORMAL, CloseCode.NOT_PROVIDED)


class ExitStatus(IntEnum):
    """
    What a shell is told.
    """

    CLEAN = 0
    NOT_OPENED = 1
    WRONG_USAGE = 2
    CLOSED_BY_SERVER = 3
    BROKEN = 4
    STREAM_FAILED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """
    How a conversation is to go.
    """

    messages: Sequence[str | bytes] = ()
    """
    What to send first. If there is anything, the input is not read.
    """

    count: int | None = None
    """
    Close after this many messages were received.
    """

    wait: float | None = None
    """
    Seconds to go on receiving after the input has ended. None waits for ``count``
    messages if that is given, else until nothing has arrived for a second.
    """

    closeCode: int = CloseCode.NORMAL
    """
    The code to close with.
    """

    isVerbose: bool = False
    """
    Tell of the handshake, of pings and pongs, and of the end.
    """


class Session(WebSocketProtocol):
    """
    Send what a console gives, show what arrives, and close when that is over.

    :param clock: keeps the time.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, plan: Plan, console: Console) -> None:
        self._clock = clock
        self._plan = plan
        self._console = console
        self._opening: Deferred[WebSocketConnection] | None = None
        self._finishing: Deferred[None] | None = None
        self._status: ExitStatus | None = None
        self._isInputOver = False
        self._isInterrupted = False
        self._received = 0
        self._timer: IDelayedCall | None = None

    async def run(
        self, connect: Callable[[Session], Deferred[WebSocketConnection]]
    ) -> ExitStatus:
        """
        Hold the conversation.

        :param connect: begins to connect, with this as the application.
        """
        try:
            return await self._converse(connect)
        finally:
            await self._finish()

    async def _converse(
        self, connect: Callable[[Session], Deferred[WebSocketConnection]]
    ) -> ExitStatus:
        try:
            self._opening = connect(self)
            connection = await self._opening
        except (HandshakeError, CancelledError, ValueError) as error:
            self._explain(error)
            return ExitStatus.NOT_OPENED
        finally:
            self._opening = None
        self._greet(connection)
        sending = Deferred.fromCoroutine(self._sendAll(connection))
        sending.addErrback(self._sendingFailed)
        report = await connection.whenClosed()
        sending.cancel()
        self._stopTimer()
        self._notifyLost(report)
        return self._status or _statusOf(report)

    async def _finish(self) -> None:
        self._finishing = self._console.finish()
        try:
            await self._finishing
        except CancelledError:
            # Nobody takes what we have left to say.
            return

    def interrupt(self) -> None:
        """
        Close, or if asked again, end at once.
        """
        isSecond, self._isInterrupted = self._isInterrupted, True
        if self._opening is not None:
            self._opening.cancel()
        elif self._finishing is not None:
            self._finishing.cancel()
        elif isSecond:
            self.connection.drop(skipCloseFrame=True)
        else:
            self.close()

    def close(self) -> None:
        """
        Close as planned.
        """
        self.connection.close(self._plan.closeCode)

    def outputLost(self, error: OSError) -> None:
        """
        Nobody takes what we show any more, so that there is no use in going on.
        """
        if not isinstance(error, BrokenPipeError):
            self._status = ExitStatus.STREAM_FAILED
            self._console.note(f"the output can't be written: {error.strerror}")
        if self._opening is None and self._finishing is None:
            self.close()

    # What the connection calls

    def textMessageReceived(self, message: str) -> Deferred[None] | None:
        """
        Show it; the next one waits for whoever reads us.
        """
        return self._show(message)

    def bytesMessageReceived(self, data: bytes) -> Deferred[None] | None:
        """
        The same.
        """
        return self._show(data)

    def pingReceived(self, payload: bytes) -> None:
        """
        Tell of it, if asked to.
        """
        self._tell(f"ping {payload.decode('utf-8', 'backslashreplace')}")

    def pongReceived(self, payload: bytes) -> None:
        """
        The same.
        """
        self._tell(f"pong {payload.decode('utf-8', 'backslashreplace')}")

    def _show(self, message: str | bytes) -> Deferred[None] | None:
        if self._plan.wait is None:
            self._stopTimer()
        shown = self._console.show(message)
        self._received += 1
        if self._received == self._plan.count:
            self.close()
        if shown is None:
            self._awaitQuiet()
        else:
            shown.addCallback(lambda _: self._awaitQuiet())
        return shown

    # Sending

    async def _sendAll(self, connection: WebSocketConnection) -> None:
        for message in self._plan.messages:
            connection.send(message)
            await connection.flushed()
        if not self._plan.messages:
            await self._sendInput(connection)
        self._inputOver()

    async def _sendInput(self, connection: WebSocketConnection) -> None:
        send: Callable[[Any], None] = connection.send
        if self._console.isTyped:
            send = Commands(connection, self._console.note).execute
        while True:
            try:
                message = await self._console.nextInput()
                if message is None:
                    return
                send(message)
            except BadInput as problem:
                if not self._console.isTyped:
                    raise
                self._console.note(str(problem))
            await connection.flushed()

    def _sendingFailed(self, failure: Failure) -> None:
        if failure.check(CancelledError, ConnectionClosed):
            return
        self._status = ExitStatus.STREAM_FAILED
        if failure.check(BadInput):
            self._console.note(str(failure.value))
        else:
            self._log.failure("An error while sending", failure)
        self.close()

    def _inputOver(self) -> None:
        self._isInputOver = True
        if self._console.isTyped:
            self.close()
        elif self._plan.wait is None:
            self._awaitQuiet()
        elif self._plan.wait < float("inf"):
            self._timer = self._clock.callLater(self._plan.wait, self._timeIsOver)

    # Waiting

    def _awaitQuiet(self) -> None:
        isAsked = self._plan.wait is None and self._plan.count is None
        if self._isInputOver and isAsked and self.connection.connected:
            self._timer = self._clock.callLater(QUIET, self._timeIsOver)

    def _timeIsOver(self) -> None:
        self._timer = None
        self.close()

    def _stopTimer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # Telling

    def _tell(self, text: str) -> None:
        if self._plan.isVerbose:
            self._console.note(text)

    def _greet(self, connection: WebSocketConnection) -> None:
        if self._console.isInteractive or self._plan.isVerbose:
            chosen = connection.protocol
            speaking = f", speaking {chosen}" if chosen else ""
            self._console.note(f"connected to {connection.url}{speaking}")
        if connection.extensions:
            self._tell(f"extensions: {connection.extensions}")
        self._console.start()
        if self._console.isInteractive:
            self._console.note("Type a message, or /help. Ctrl-D closes.")

    def _explain(self, error: BaseException) -> None:
        if isinstance(error, CancelledError):
            return
        self._console.note(str(error))
        if isinstance(error, ConnectionRejected):
            self._explainRefusal(error.response)

    def _explainRefusal(self, response: RefusalResponse) -> None:
        for name, values in sorted(response.headers.getAllRawHeaders()):
            for value in values:
                header = f"{name.decode('latin-1')}: {value.decode('latin-1')}"
                self._tell(quoted(shown(header)))
        body = response.body.decode("utf-8", "replace").strip()
        if body:
            cut = body[:_BODY_SHOWN] + ("..." if len(body) > _BODY_SHOWN else "")
            self._console.note(quoted(escapeControls(cut)))

    def _notifyLost(self, report: CloseReport) -> None:
        isAsExpected = _statusOf(report) is ExitStatus.CLEAN
        if self._console.isInteractive or self._plan.isVerbose or not isAsExpected:
            self._console.note(f"closed: {report}")
        if report.messagesDiscarded:
            count = report.messagesDiscarded
            self._tell(f"{count} messages came after we had asked to close")
        traffic = self.connection.traffic
        self._tell(
            f"{traffic.messagesSent} messages sent, {traffic.messagesReceived} received"
        )


def _statusOf(report: CloseReport) -> ExitStatus:
    if not report.wasClean:
        return ExitStatus.BROKEN
    if report.cause is CloseCause.LOCAL_CLOSE or report.code in _FINE:
        return ExitStatus.CLEAN
    return ExitStatus.CLOSED_BY_SERVER
