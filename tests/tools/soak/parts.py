# Part of txwebsocket. See LICENSE for details.
"""
What peers do that behave, and the part of those that don't.
"""

from collections.abc import Awaitable, Callable

from actor import Actor
from faults import inAnyOrder
from peer import TEXT, fragments, frame

Part = Callable[[Actor], Awaitable[None]]

_SELDOM = 4.0  # a connection costs more than a message


async def echo(actor: Actor) -> None:
    """
    Messages of all sizes, one at a time, whose way there and back is measured.
    """
    peer = await actor.join()
    with actor.staying():
        while actor.hasPendingInput:
            opcode, payload = actor.message()
            with actor.timed():
                await peer.send(frame(opcode, payload))
                await peer.expect(payload)
            actor.count("echoes")
            await actor.rest()
        await peer.close()


async def inFragments(actor: Actor) -> None:
    """
    Messages in many frames, with pings between them, cut anywhere on the way.
    """
    peer = await actor.join()
    with actor.staying():
        while actor.hasPendingInput:
            opcode, payload = actor.message()
            for each in fragments(opcode, payload, actor.dice):
                await peer.dribble(each, actor.dice)
            await peer.expect(payload)
            actor.count("messages in fragments")
            await actor.rest()
        await peer.close()


async def compressed(actor: Actor) -> None:
    """
    Messages that are compressed with what went before.
    """
    peer = await actor.join(compressed=True)
    with actor.staying():
        while actor.hasPendingInput:
            payload = actor.text(actor.dice.randrange(4096))
            await peer.sendCompressed(payload)
            await peer.expect(payload)
            actor.count("compressed messages")
            await actor.rest()
        await peer.close()


async def churn(actor: Actor) -> None:
    """
    Come, say a word, if that, and leave in one of the ways there are.
    """
    peer = await actor.join()
    for _ in range(actor.dice.randrange(3)):
        payload = actor.text(20)
        await peer.send(frame(TEXT, payload))
        await peer.expect(payload)
    if actor.dice.random() < 0.7:
        await peer.close()
    actor.count("comings and goings")
    await actor.rest(_SELDOM)


async def faulty(actor: Actor) -> None:
    """
    All faults, one after the other.
    """
    for fault in inAnyOrder(actor.dice):
        if actor.hasPendingInput:
            await fault(actor)
            actor.leave()
            actor.count(f"fault {fault.__name__}")
            await actor.rest(_SELDOM)


LASTING: tuple[Part, ...] = (echo, inFragments, compressed)
"""
Those whose connections stay until the end.
"""

SHARES: dict[Part, int] = {
    echo: 40,
    inFragments: 20,
    compressed: 15,
    churn: 15,
    faulty: 10,
}
"""
How many of a hundred play which part.
"""


def cast(connections: int) -> list[Part]:
    """
    A part for each, in their shares however many there are.
    """
    hundred = [part for part, share in SHARES.items() for _ in range(share)]
    # 37 and 100 have no common divisor, so that each is met once.
    return [hundred[37 * number % 100] for number in range(connections)]
