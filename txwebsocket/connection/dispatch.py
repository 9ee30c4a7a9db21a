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
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from txwebsocket.connection.backlog import Backlog, isData, isEnd
from txwebsocket.connection.errors import closedError
from txwebsocket.connection.frame import WebSocketFrame
from txwebsocket.connection.hookcalls import HookCaller, log
from txwebsocket.connection.hooks import NO_HOOKS
from txwebsocket.connection.incoming import Incoming
from txwebsocket.connection.pausing import ASKED, Hold
from txwebsocket.connection.pings import Pings
from txwebsocket.connection.receivequeue import Inbox
from txwebsocket.connection.turns import WorkLimit
from txwebsocket.deferreds import asDeferred
from txwebsocket.wire.codes import Opcode, Role
from txwebsocket.wire.config import ConnectionConfig, messageLimit
from txwebsocket.wire.connection import Connection
from txwebsocket.wire.control import PingReceived, PongReceived
from txwebsocket.wire.frames import Failed, Frame
from txwebsocket.wire.messages import WORK_PER_TURN, MessageDecoder, endsMessage
from txwebsocket.wire.states import State

_nextMask = partial(os.urandom, 4)

_OPEN = State.OPEN

_PINGS = (Opcode.PING, Opcode.PONG)

_UNTOLD = ASKED | Hold.HOOK | Hold.WRITER | Hold.START | Hold.TURN

LAST_HOOK = 60.0
"""
Seconds that a hook may take after the end of its connection, until the messages queued
behind it are discarded.
"""


class Delivery(HookCaller):
    """
    What arrives, on its way to the application: messages in their order, one at a time,
    and no more while there is a reason to wait.

    :ivar outbox: the frames to send.
    :ivar isDelivering: whether the application is being told something; what it sends
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
    _lastHookCall: IDelayedCall | None = None
    workLimit: WorkLimit | None = None
    decoder: MessageDecoder | None = None

    def __init__(
        self, role: Role, config: ConnectionConfig, clock: IReactorTime
    ) -> None:
        super().__init__(config, clock)
        self.wire = Connection(role, config, _nextMask, self)
        self.outbox = self.wire.outbox
        self.pings = Pings(clock, self.outbox)
        self.isDelivering = False
        self._inbox: Inbox | None = None
        self.incoming: Incoming | None = None
        if config.streamMessages:
            self.incoming = Incoming(self)
            self._mayHaveQueued = True
        self._lastHeard: float

    @abstractmethod
    def makeRoom(self, isNeeded: bool) -> None:
        """
        Much waits to be sent: hand over what can be, even during a delivery.
        """

    @property
    def inbox(self) -> Inbox:
        """
        What waits for ``receive()``; made when it is needed.
        """
        if self._inbox is None:
            self._inbox = Inbox(
                messageLimit(self.config),
                partial(self.hold, Hold.INBOX),
                partial(self.release, Hold.INBOX),
                self.clock,
            )
            if self.report is not None:
                self._inbox.end(partial(closedError, self.report))
        return self._inbox

    def receive(self) -> Deferred[str | bytes]:
        """
        The next whole message, in pull style.
        """
        source = self.inbox if self.incoming is None else self.incoming
        return source.receive()

    def deliver(self) -> None:
        """
        Tell the application what has arrived, as far as it can be told now.
        """
        if not self.isDelivering:
            self.whileDelivering(self._deliverWaiting)

    def deliverNow(self, items: Iterable[Any]) -> None:
        """
        The same, of what was read just now.
        """
        if self.isDelivering or self._held:
            self._deliverLater(items)
            return
        # This is whileDelivering, with fewer calls.
        self.isDelivering = True
        try:
            self._deliverItems(iter(items))
        except BaseException:  # noqa: BLE001 - an application may raise anything
            self.applicationFailed(Failure())
        finally:
            self.isDelivering = False
        if self.wire.waiting or self._mayHaveQueued:
            self.deliver()
        else:
            self.settle()

    def _deliverLater(self, items: Iterable[Any]) -> None:
        if self.isDelivering or self._mustWait():
            self.wire.putBack(items)
        else:
            self.whileDelivering(partial(self._deliverBusy, iter(items)))

    def _deliverBusy(self, items: Iterator[Any]) -> None:
        self.run(self._setAside, items)
        self._deliverWaiting()

    def whileDelivering(self, deliver: Callable[[], object]) -> None:
        """
        Call something of the application's; all it sends meanwhile leaves in one write.
        """
        self.isDelivering = True
        try:
            self.run(deliver)
        finally:
            # Whatever happens, or the connection would be deaf.
            self.isDelivering = False
        self.settle()

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
        elif self.wire.waiting and not self._mustWait():
            isBusy = self._held or self._backlog
            take = self._setAside if isBusy else self._deliverItems
            self.run(take, iter(self.wire.takeWaiting()))
        else:
            return False
        return True

    def _mustWait(self) -> bool:
        """
        Must received items stay unprocessed? Not while the connection is closing, since
        the peer's close frame may be among them.
        """
        return bool(self._held & ~Hold.HOOK) and self.wire.isReceiving

    def _deliverItems(self, items: Iterator[Any]) -> None:
        # With few calls in the usual case, since this is the way of every message.
        wire = self.wire
        takeText, takeBytes = self._takeText, self._takeBytes
        decoder = self.decoder
        try:
            for item in items:
                kind = type(item)
                if kind is str and wire.state is _OPEN:
                    result = takeText(item)
                elif kind is bytes and wire.state is _OPEN:
                    result = takeBytes(item)
                else:
                    result = self._takeEvent(wire.eventOf(item))
                    if decoder is not None and decoder.work > WORK_PER_TURN:
                        self._endTurn()
                if result is not None:
                    self._waitFor(result)
                if self._held:
                    self._setAside(items)
        except BaseException:
            wire.putBack(items)
            raise

    def _setAside(self, items: Iterator[Any]) -> None:
        """
        Queue messages that can't be delivered yet, and process control frames.
        """
        wire = self.wire
        try:
            for item in items:
                if self._mustWait() or self._isControlTooEarly(item):
                    wire.putBack(chain((item,), items))
                elif self.incoming is None and wire.isReceiving and isData(item):
                    self._queue(item)
                    if self._backlog and self._backlog.isFull:
                        self.hold(Hold.INBOX)
                else:
                    result = self._takeEvent(wire.eventOf(item))
                    if result is not None:
                        self._waitFor(result)
        except BaseException:
            wire.putBack(items)
            raise

    def _isControlTooEarly(self, item: object) -> bool:
        """
        Is this a ping or pong, while hooks for earlier ones have not finished?
        """
        isMany = self._awaitedControls >= self.config.concurrentMessages
        if not isMany or type(item) is not Frame or item.opcode not in _PINGS:
            return False
        self._held |= Hold.CONTROL
        return self.wire.isReceiving

    def _queue(self, item: str | bytes | Frame | MessageDecoder) -> None:
        """
        Queue a message, or a part of one.
        """
        self.wire.messagesReceived -= 1
        whole: str | bytes | Frame | MessageDecoder | None = item
        if isinstance(item, Frame) and self.config.assembleFragments:
            whole = self.wire.assemble(item)
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
        blocked = _UNTOLD | Hold.INBOX if self.isPulled else _UNTOLD
        if self._held & blocked:
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
        if isinstance(message, Failed):
            self.wire.failFor(message)
            self.discardQueued()
            return
        if message is not None:
            self.wire.messagesReceived += endsMessage(message)
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
        self.wire.putBack(())
        if self.workLimit is not None and self.workLimit.isReached(self._beginTurn):
            self.hold(Hold.TURN)

    def _beginTurn(self) -> None:
        self.release(Hold.TURN)

    def _takeQueued(self) -> str | bytes | Frame | Failed | None:
        backlog = self._backlog
        if not backlog:
            return None
        message = backlog.take()
        self._mayHaveQueued = bool(backlog)
        if not self.isPulled and not backlog.isFull:
            self._held &= ~Hold.INBOX
        return message

    def queueEarly(self) -> bool:
        """
        Queue messages that came with the opening handshake, so that a close in the same
        turn does not discard them.

        :return: whether this is that turn.
        """
        isEarly = bool(self._held & Hold.START)
        if isEarly and self.wire.isReceiving:
            self._queueRead()
        return isEarly

    def _queueRead(self) -> None:
        """
        Queue all received messages, without a bound: they are in memory already.
        """
        left: list[Any] = []
        items: Iterator[Any] = iter(self.wire.takeWaiting())
        for item in items:
            if not isData(item):
                left.append(item)
            elif self.incoming is None:
                self._queue(item)
            else:
                fragment: Any = self.wire.eventOf(item)
                self.incoming.take(fragment)
            if isEnd(item):
                left += items
        self.wire.putBack(left)

    def discardQueued(self) -> None:
        """
        Discard queued messages, and count them.
        """
        if self.isPulled:
            return
        count = 0
        if self.incoming is not None:
            count = self.incoming.discardUntold()
        elif self._backlog is not None:
            count = self._backlog.clear()
            self._held &= ~Hold.INBOX
        self.wire.noteDiscarded(count)
        if self._lost is not None and not self.isDelivering:
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
        if self.isPulled:
            if not self.isDelivering:
                self._receiveLast()
        elif not isOrderly or self._held & Hold.PAUSED:
            self.discardQueued()
        elif not self.isDelivering and self.wire.isReceiving:
            # Messages are delivered by endDelivery().
            self.isDelivering = True
            self._queueRead()
            self.isDelivering = False

    def _receiveLast(self) -> None:
        """
        Give received messages to ``receive()``; but a frame may become large.
        """
        self.isDelivering = True
        if self.decoder is not None:
            self.decoder.beginTurn()
        while self._backlog and not self._hasEnough():
            self.run(self._deliverQueued)
        if self._backlog:
            self.wire.noteDiscarded(self._backlog.clear())
        items = self.wire.takeWaiting()
        for number, item in enumerate(items):
            isUndecoded = type(item) in (Frame, MessageDecoder)
            if isUndecoded and self.incoming is None and self._hasEnough():
                self.wire.putBack(items[number:])
                break
            self._held = Hold.NONE
            self.run(self._deliverItems, iter((item,)))
        self.isDelivering = False

    def _hasEnough(self) -> bool:
        isTurnOver = self.decoder is not None and self.decoder.isTurnOver()
        return isTurnOver or self.inbox.isLarge

    def endDelivery(self, lost: Failure) -> None:
        """
        Call ``connectionLost``, after the hooks of queued messages.

        :param lost: the argument of that hook.
        """
        self._lost = lost
        self._held &= Hold.HOOK
        if not self.hasQueued():
            self._tellLost()
        elif self.isDelivering:
            self.clock.callLater(0, self.deliver)
        else:
            self._putOffGivingUp()
            self.deliver()

    def _putOffGivingUp(self) -> None:
        if self._lost is not None:
            self._stopLastHookCall()
            self._lastHookCall = self.clock.callLater(LAST_HOOK, self._giveUpQueued)

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
