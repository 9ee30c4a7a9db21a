# Part of txwebsocket. See LICENSE for details.
"""
Applications that take messages in pieces, in all ways there are.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred

from tests.connection.test_incoming import Consumer
from tests.support.memory import Recorder
from tests.tools.fuzz.source import check
from txwebsocket import ConnectionClosed, MessageReader

MOST = 2**16 + 3
"""
Bytes of a piece: what is read or inflated in one step, and of a character the start.
"""

# Of the ways to take a message, that in which it is whole.
_WHOLE = 2


class Taker:
    """
    Takes one message in some manner, and notes what it gets.

    :ivar octets: what that was.
    :ivar isComplete: whether it got the message to its end.
    :ivar hasLeft: whether it wanted no more.
    :ivar isTaking: whether it takes what comes at once.
    """

    def __init__(self, manner: int, isForgetful: bool) -> None:
        self._isForgetful = isForgetful
        self._count, self._way = manner >> 4, manner & 7
        self._gate: Deferred[None] | None = None
        self._consumer: HesitantConsumer | None = None
        self.octets = b""
        self.isText: bool | None = None
        self.isComplete = self.hasLeft = self.hasFailed = False
        self.taken = 0

    @property
    def isTaking(self) -> bool:
        """
        Whether it takes what comes at once, or will take no more.
        """
        return self.isOver or (self._gate is None and self._consumer is None)

    @property
    def isOver(self) -> bool:
        """
        Whether it will take no more.
        """
        return self.isComplete or self.hasLeft or self.hasFailed

    async def take(self, message: MessageReader) -> None:
        """
        Take it.
        """
        self.isText = message.isText
        whole = self._eagerly if self._isForgetful else self._whole
        ways: tuple[Callable[[Any], Awaitable[None]], ...] = (
            self._eagerly,
            self._late,
            whole,
            self._byConsumer,
            self._inPart,
            self._stop,
            self._late,
            self._hesitantly,
        )
        try:
            await ways[self._way](message)
        except ConnectionClosed:
            self.hasFailed = True
            await self._insist(message)

    async def receive(self, connection: Any) -> bool:
        """
        Take a message that is to be there whole; tell whether there was one.
        """
        try:
            self._noteWhole(await _askTwice(connection.receive))
        except ConnectionClosed:
            self.hasFailed = True
        return not self.hasFailed

    def poke(self) -> None:
        """
        Have it go on, if it waits for that.
        """
        gate, self._gate = self._gate, None
        if gate is not None:
            gate.callback(None)
        elif self._consumer is not None and self._consumer.producer is not None:
            self._consumer.takeMore(len(self._consumer.taken) + 1)

    def note(self, piece: str | bytes) -> None:
        """
        It has got this.
        """
        octets = piece.encode() if isinstance(piece, str) else piece
        check(len(octets) <= MOST, "a large piece", len(octets))
        self.taken += 1
        if not self._isForgetful:
            self.octets += octets

    async def _eagerly(self, message: MessageReader) -> None:
        async for piece in message:
            check(isinstance(piece, str) is self.isText, "of the wrong kind", piece)
            self.note(piece)
        self.isComplete = True

    async def _late(self, message: MessageReader) -> None:
        while await self._takeOne(message):
            pass
        self.isComplete = True

    async def _takeOne(self, message: MessageReader) -> bool:
        self._gate = Deferred()
        await self._gate
        piece = await message.read()
        self.note(piece)
        return bool(piece)

    async def _whole(self, message: MessageReader) -> None:
        whole = await message.whole()
        check(isinstance(whole, str) is self.isText, "of the wrong kind", whole)
        self._noteWhole(whole)

    def _noteWhole(self, whole: str | bytes) -> None:
        self.isText = isinstance(whole, str)
        self.octets = whole.encode() if isinstance(whole, str) else whole
        self.isComplete = True

    async def _byConsumer(self, message: MessageReader) -> None:
        self._consumer = HesitantConsumer(self, self._count)
        await message.deliverTo(self._consumer)
        check(self._consumer.producer is None, "the consumer is still registered")
        self.isComplete = True

    async def _inPart(self, message: MessageReader) -> None:
        for _ in range(self._count):
            if not await self._takeOne(message):
                self.isComplete = True
                return
        self.hasLeft = True

    async def _stop(self, message: MessageReader) -> None:
        try:
            await message.deliverTo(
                HesitantConsumer(self, self._count, isStopping=True)
            )
        except CancelledError:
            self.hasLeft = True
        else:
            self.isComplete = True

    async def _hesitantly(self, message: MessageReader) -> None:
        while piece := await _askTwice(message.read):
            self.note(piece)
        self.isComplete = True

    async def _insist(self, message: MessageReader) -> None:
        """
        What has failed goes on failing.
        """
        try:
            piece = await message.read()
        except ConnectionClosed:
            return
        check(False, "a message goes on after it has failed", piece)


async def _askTwice(ask: Callable[[], Deferred[Any]]) -> Any:
    """
    Ask, take the question back if there is no answer yet, and ask again.
    """
    asked = ask()
    asked.addErrback(lambda failure: failure.trap(CancelledError) and None)
    asked.cancel()
    answer = await asked
    return await ask() if answer is None else answer


class HesitantConsumer(Consumer):
    """
    A consumer that has enough before long.
    """

    def __init__(self, taker: Taker, most: int, isStopping: bool = False) -> None:
        super().__init__(most)
        self._taker = taker
        self._isStopping = isStopping

    def write(self, data: bytes) -> None:
        """
        Take it.
        """
        if self._taker.isText:
            data.decode()
        self._taker.note(data)
        self.taken = self.taken[:0] + data
        if self._isStopping:
            self.producer.stopProducing()
        else:
            self.producer.pauseProducing()


class Application(Recorder):
    """
    Takes the messages of a connection, each in its manner.

    :ivar takers: who takes each.
    :ivar isAsking: whether it waits for a message.
    """

    def __init__(self, manners: bytes, isForgetful: bool) -> None:
        super().__init__()
        self._manners = manners
        self._isForgetful = isForgetful
        self.takers: list[Taker] = []
        self.isAsking = False

    def messageStarted(self, message: Any) -> Any:
        """
        Have it taken.
        """
        return self._begin().take(message)

    def _begin(self) -> Taker:
        self.takers.append(Taker(self._manner(), self._isForgetful))
        return self.takers[-1]

    def _manner(self) -> int:
        return self._manners[len(self.takers) % len(self._manners)]

    async def pull(self, connection: Any) -> None:
        """
        Ask for the messages, until there are no more.
        """
        isOver = hasFailed = False
        while not isOver:
            self.isAsking = True
            isWhole = self._manner() & 7 == _WHOLE and not self._isForgetful
            if isWhole and not hasFailed:
                hasFailed = not await self._begin().receive(connection)
                continue
            try:
                message = await _askTwice(connection.receiveStream)
            except ConnectionClosed:
                isOver = True
            else:
                self.isAsking = False
                await self._begin().take(message)
        try:
            message = await connection.receive()
        except ConnectionClosed:
            return
        check(False, "a message follows the end", message)

    def poke(self) -> None:
        """
        Have all go on that wait for it.
        """
        for taker in self.takers:
            taker.poke()

    @property
    def isTaking(self) -> bool:
        """
        Whether it takes what comes.
        """
        return self.isAsking or not self.takers or self.takers[-1].isTaking

    @property
    def taken(self) -> int:
        """
        How many pieces it has got.
        """
        return sum(taker.taken for taker in self.takers)
