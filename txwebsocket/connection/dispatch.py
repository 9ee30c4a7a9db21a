# -*- test-case-name: tests.connection.test_channel -*-
# Part of txwebsocket. See LICENSE for details.
"""
From the protocol core to the application, one thing after the other.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from txwebsocket.connection.backlog import Backlog, isData, isEnd
from txwebsocket.connection.errors import closedError
from txwebsocket.connection.frame import WebSocketFrame
from txwebsocket.connection.hookcalls import HookCaller, log
from txwebsocket.connection.hooks import NO_HOOKS
from txwebsocket.connection.incoming import IncomingMessages
from txwebsocket.connection.pausing import NOT_DISPATCHING, PauseReason
from txwebsocket.connection.pings import Pings
from txwebsocket.connection.receivequeue import ReceiveQueue
from txwebsocket.connection.timerqueue import Timer
from txwebsocket.connection.turns import WorkLimit
from txwebsocket.deferreds import asDeferred
from txwebsocket.wire.codes import Opcode, Role
from txwebsocket.wire.config import ConnectionConfig, messageLimit
from txwebsocket.wire.connection import Connection
from txwebsocket.wire.control import PingReceived, PongReceived
from txwebsocket.wire.frames import Frame, ProtocolFailure
from txwebsocket.wire.messages import WORK_PER_TURN, MessageDecoder, endsMessage
from txwebsocket.wire.states import State

_nextMask = partial(os.urandom, 4)

_OPEN = State.OPEN

_PINGS = (Opcode.PING, Opcode.PONG)

LAST_HOOK = 60.0
"""
Seconds that a hook may take after the end of its connection, until the messages queued
behind it are discarded.
"""


class MessageDispatcher(HookCaller):
    """
    What arrives, on its way to the application: messages in their order, one at a time,
    and no more while there is a reason to wait.

    :ivar outbox: the frames to send.
    :ivar isDispatching: whether the application is being told something; what it sends
        leaves when that is over.
    :ivar decoder: decodes what extensions have encoded; None if none was agreed on.
    :ivar workLimit: what one turn of the reactor may decode; likewise.
    :ivar incoming: the messages that are received in pieces; None if they are not.
    :ivar pings: what waits for a pong.
    """

    # Of most connections these stay what they are here, and take no memory.
    _backlog: Backlog | None = None
    _mayHaveQueued = False
    _lost: Failure | None = None
    _lastHookCall: Timer | None = None
    workLimit: WorkLimit | None = None
    decoder: MessageDecoder | None = None

    def __init__(
        self, role: Role, config: ConnectionConfig, clock: IReactorTime
    ) -> None:
        super().__init__(config, clock)
        self.core = Connection(role, config, _nextMask, self)
        self.outbox = self.core.outbox
        self.pings = Pings(clock, self.outbox)
        self.isDispatching = False
        self._receiveQueue: ReceiveQueue | None = None
        self.incoming: IncomingMessages | None = None
        if config.streamMessages:
            self.incoming = IncomingMessages(self)
            self._mayHaveQueued = True
        self._lastReceivedAt: float

    @abstractmethod
    def makeRoom(self, isNeeded: bool) -> None:
        """
        Much waits to be sent: hand over what can be, even during a delivery.
        """

    @property
    def receiveQueue(self) -> ReceiveQueue:
        """
        What waits for ``receive()``; made when it is needed.
        """
        if self._receiveQueue is None:
            self._receiveQueue = ReceiveQueue(
                messageLimit(self.config),
                partial(self.pauseFor, PauseReason.INBOX),
                partial(self.resumeFrom, PauseReason.INBOX),
                self.clock,
            )
            if self.report is not None:
                self._receiveQueue.end(partial(closedError, self.report))
        return self._receiveQueue

    def receive(self) -> Deferred[str | bytes]:
        """
        The next whole message, in pull style.
        """
        source = self.receiveQueue if self.incoming is None else self.incoming
        return source.receive()

    def deliver(self) -> None:
        """
        Dispatch queued items, as far as the application can be called now.
        """
        if not self.isDispatching:
            self.whileDelivering(self._deliverWaiting)

    def deliverNow(self, items: Iterable[Any]) -> None:
        """
        Dispatch newly parsed items.
        """
        if self.isDispatching or self._pauseReasons:
            self._deliverLater(items)
            return
        # This is whileDelivering, with fewer calls.
        self.isDispatching = True
        try:
            self._deliverItems(iter(items))
        except BaseException:  # noqa: BLE001 - an application may raise anything
            self.applicationFailed(Failure())
        finally:
            self.isDispatching = False
        if self.core.pendingItems or self._mayHaveQueued:
            self.deliver()
        else:
            self.syncTransport()

    def _deliverLater(self, items: Iterable[Any]) -> None:
        if self.isDispatching or self._mustWait():
            self.core.putBack(items)
        else:
            self.whileDelivering(partial(self._deliverBusy, iter(items)))

    def _deliverBusy(self, items: Iterator[Any]) -> None:
        self.run(self._setAside, items)
        self._deliverWaiting()

    def whileDelivering(self, deliver: Callable[[], object]) -> None:
        """
        Call something of the application's; all it sends meanwhile leaves in one write.
        """
        self.isDispatching = True
        try:
            self.run(deliver)
        finally:
            # Whatever happens, or the connection would be deaf.
            self.isDispatching = False
        self.syncTransport()

    def _deliverWaiting(self) -> None:
        # What raised may be no reason to end, and then the rest follows.
        while self._deliverSome():
            pass
        if self._lost is not None and not self.hasQueued():
            self._tellLost()

    def _deliverSome(self) -> bool:
        """
        Deliver the next queued message, or process received items.

        :return: whether there was anything to do.
        """
        if self._mayDeliverQueued():
            self.run(self._deliverQueued)
        elif self.core.pendingItems and not self._mustWait():
            isBusy = self._pauseReasons or self._backlog
            take = self._setAside if isBusy else self._deliverItems
            self.run(take, iter(self.core.takeWaiting()))
        else:
            return False
        return True

    def _mustWait(self) -> bool:
        """
        Must received items stay unprocessed? Not while the connection is closing, since
        the peer's close frame may be among them.
        """
        return bool(self._pauseReasons & ~PauseReason.HOOK) and self.core.isReceiving

    def _deliverItems(self, items: Iterator[Any]) -> None:
        # With few calls in the usual case, since this is the way of every message.
        core = self.core
        takeText, takeBytes = self._takeText, self._takeBytes
        decoder = self.decoder
        try:
            for item in items:
                kind = type(item)
                if kind is str and core.state is _OPEN:
                    result = takeText(item)
                elif kind is bytes and core.state is _OPEN:
                    result = takeBytes(item)
                else:
                    result = self._takeEvent(core.eventOf(item))
                    if decoder is not None and decoder.work > WORK_PER_TURN:
                        self._endTurn()
                if result is not None:
                    self._waitFor(result)
                if self._pauseReasons:
                    self._setAside(items)
        except BaseException:
            core.putBack(items)
            raise

    def _setAside(self, items: Iterator[Any]) -> None:
        """
        Queue messages that can't be delivered yet, and process control frames.
        """
        core = self.core
        try:
            for item in items:
                if self._mustWait() or self._isControlTooEarly(item):
                    core.putBack(chain((item,), items))
                elif self.incoming is None and core.isReceiving and isData(item):
                    self._queue(item)
                    if self._backlog and self._backlog.isFull:
                        self.pauseFor(PauseReason.INBOX)
                else:
                    result = self._takeEvent(core.eventOf(item))
                    if result is not None:
                        self._waitFor(result)
        except BaseException:
            core.putBack(items)
            raise

    def _isControlTooEarly(self, item: object) -> bool:
        """
        Is this a ping or pong, while hooks for earlier ones have not finished?
        """
        isMany = self._awaitedControls >= self.config.concurrentMessages
        if not isMany or type(item) is not Frame or item.opcode not in _PINGS:
            return False
        self._pauseReasons |= PauseReason.CONTROL
        return self.core.isReceiving

    def _queue(self, item: str | bytes | Frame | MessageDecoder) -> None:
        """
        Queue a message, or a part of one.
        """
        self.core.messagesReceived -= 1
        whole: str | bytes | Frame | MessageDecoder | None = item
        if isinstance(item, Frame) and self.config.assembleFragments:
            whole = self.core.assemble(item)
        if whole is not None:
            if self._backlog is None:
                self._backlog = Backlog(self.config, self.decoder)
            self._backlog.put(whole)
            self._mayHaveQueued = True

    def hasQueued(self) -> bool:
        """
        In callback style: does a message wait to be delivered?
        """
        if self.incoming is not None:
            return self.incoming.hasUntold
        return bool(self._backlog)

    def _mayDeliverQueued(self) -> bool:
        blocked = (
            NOT_DISPATCHING | PauseReason.INBOX if self.isPullMode else NOT_DISPATCHING
        )
        if self._pauseReasons & blocked:
            return False
        if self.incoming is not None:
            return self.incoming.mayTell
        return bool(self._backlog)

    def _deliverQueued(self) -> None:
        """
        Deliver the message that was queued first.
        """
        self._putOffGivingUp()
        if self.incoming is not None:
            self.incoming.tell()
            return
        message = self._takeQueued()
        if isinstance(message, ProtocolFailure):
            self.core.failConnection(message)
            self.discardQueued()
            return
        if message is not None:
            self.core.messagesReceived += endsMessage(message)
        result = self._takeEvent(message)
        if result is not None:
            self._waitFor(result)
        if self.decoder is not None and self.decoder.isTurnOver():
            self._endTurn()

    def limitWork(self, decoder: MessageDecoder) -> None:
        """
        Extensions encode messages: bound what decoding may cost in a turn.
        """
        self.decoder = decoder
        self.workLimit = WorkLimit(self.clock, decoder)
        if self.incoming is not None:
            self.incoming.workLimit = self.workLimit

    def _endTurn(self) -> None:
        """
        Decoding has cost so much that the connections of others come first: go on in
        the next turn of the reactor.
        """
        self.core.putBack(())
        if self.workLimit is not None and self.workLimit.isReached(self._beginTurn):
            self.pauseFor(PauseReason.TURN)

    def _beginTurn(self) -> None:
        self.resumeFrom(PauseReason.TURN)

    def _takeQueued(self) -> str | bytes | Frame | ProtocolFailure | None:
        backlog = self._backlog
        if not backlog:
            return None
        message = backlog.take()
        self._mayHaveQueued = bool(backlog)
        if not self.isPullMode and not backlog.isFull:
            self._pauseReasons &= ~PauseReason.INBOX
        return message

    def queueEarly(self) -> bool:
        """
        Queue messages that came with the opening handshake, so that a close in the same
        turn does not discard them.

        :return: whether this is that turn.
        """
        isEarly = bool(self._pauseReasons & PauseReason.START)
        if isEarly and self.core.isReceiving:
            self._queueRead()
        return isEarly

    def _queueRead(self) -> None:
        """
        Queue all received messages, without a bound: they are in memory already.
        """
        left: list[Any] = []
        items: Iterator[Any] = iter(self.core.takeWaiting())
        for item in items:
            if not isData(item):
                left.append(item)
            elif self.incoming is None:
                self._queue(item)
            else:
                fragment: Any = self.core.eventOf(item)
                self.incoming.take(fragment)
            if isEnd(item):
                left += items
        self.core.putBack(left)

    def discardQueued(self) -> None:
        """
        Discard queued messages, and count them.
        """
        if self.isPullMode:
            return
        count = 0
        if self.incoming is not None:
            count = self.incoming.discardUntold()
        elif self._backlog is not None:
            count = self._backlog.clear()
            self._pauseReasons &= ~PauseReason.INBOX
        self.core.noteDiscarded(count)
        if self._lost is not None and not self.isDispatching:
            self._tellLost()

    def _takeEvent(self, event: object) -> Any:
        if isinstance(event, PingReceived):
            wanted = self._hooks.pingReceived(event.payload)
            deferred = asDeferred(wanted)
            if deferred is not None:
                deferred.addCallback(self._answerPing, event.payload)
                return self._noteControl(deferred)
            self._answerPing(wanted, event.payload)
        elif isinstance(event, bytes):
            return self._takeBytes(event)
        elif isinstance(event, str):
            return self._takeText(event)
        elif isinstance(event, PongReceived):
            self.pings.answer(event.payload)
            deferred = asDeferred(self._hooks.pongReceived(event.payload))
            return deferred and self._noteControl(deferred)
        elif isinstance(event, Frame):
            if self.incoming is not None:
                self.incoming.take(event)
                if self._mayDeliverQueued():
                    self._deliverQueued()
                return None
            return self._hooks.frameReceived(WebSocketFrame.fromFrame(event))
        return None

    # The end

    def takeLast(self, isOrderly: bool) -> None:
        """
        Process the items received before the transport was lost. With TLS, data and the
        end arrive together, also while reading is paused.

        :param isOrderly: whether the peer ended the connection in an orderly way. Then
            its messages are delivered, unless the application has paused.
        """
        if self.isPullMode:
            if not self.isDispatching:
                self._receiveLast()
        elif not isOrderly or self._pauseReasons & PauseReason.PAUSED:
            self.discardQueued()
        elif not self.isDispatching and self.core.isReceiving:
            # Messages are delivered by endDelivery().
            self.isDispatching = True
            self._queueRead()
            self.isDispatching = False

    def _receiveLast(self) -> None:
        """
        Give received messages to ``receive()``; but a frame may become large.
        """
        self.isDispatching = True
        if self.decoder is not None:
            self.decoder.beginTurn()
        while self._backlog and not self._hasEnough():
            self.run(self._deliverQueued)
        if self._backlog:
            self.core.noteDiscarded(self._backlog.clear())
        items = self.core.takeWaiting()
        for number, item in enumerate(items):
            isUndecoded = type(item) in (Frame, MessageDecoder)
            if isUndecoded and self.incoming is None and self._hasEnough():
                self.core.putBack(items[number:])
                break
            self._pauseReasons = PauseReason.NONE
            self.run(self._deliverItems, iter((item,)))
        self.isDispatching = False

    def _hasEnough(self) -> bool:
        isTurnOver = self.decoder is not None and self.decoder.isTurnOver()
        return isTurnOver or self.receiveQueue.isLarge

    def endDelivery(self, lost: Failure) -> None:
        """
        Call ``connectionLost``, after the hooks of queued messages.

        :param lost: the argument of that hook.
        """
        self._lost = lost
        self._pauseReasons &= PauseReason.HOOK
        if not self.hasQueued():
            self._tellLost()
        elif self.isDispatching:
            self.clock.callLater(0, self.deliver)
        else:
            self._putOffGivingUp()
            self.deliver()

    def _putOffGivingUp(self) -> None:
        if self._lost is not None:
            self._stopLastHookCall()
            self._lastHookCall = Timer(self.clock, LAST_HOOK, self._giveUpQueued)

    def _giveUpQueued(self) -> None:
        self._lastHookCall = None
        log.info(
            "{connection} has ended, and its hook has run for {seconds} seconds: "
            "messages queued behind it are discarded",
            seconds=LAST_HOOK,
            connection=repr(self.connection),
        )
        self.discardQueued()

    def _stopLastHookCall(self) -> None:
        if self._lastHookCall is not None:
            self._lastHookCall.cancel()
            self._lastHookCall = None

    def _tellLost(self) -> None:
        lost, self._lost = self._lost, None
        hooks, self._hooks = self._hooks, NO_HOOKS
        self._takeText = self._takeBytes = NO_HOOKS.frameReceived
        self._stopLastHookCall()
        self._backlog = None
        if self.decoder is not None:
            self.decoder.end()
        self.run(hooks.connectionLost, lost)
        self.forgetConnection()
