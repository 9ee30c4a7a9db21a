# Part of txwebsocket. See LICENSE for details.
"""
What peers do that they must not, or that happens to them. Each is over when the server
has done what it has to, or when nothing more is to be seen of it.
"""

import asyncio
import random
import struct
from collections.abc import Awaitable, Callable

from actor import Actor
from peer import BINARY, CLOSE, FIN, PING, RSV1, TEXT, Peer, Wrong, frame, request

_TOO_MUCH = 2**20 + 1  # a byte more than a server takes by default
_CLOSE_TIMEOUT = 5.0  # the server's


async def _expectCode(peer: Peer, *codes: int) -> None:
    code = await peer.closeCode()
    if code not in codes:
        raise Wrong(f"closed with {code}, not with {codes}")
    peer.leave()


async def _expectStatus(peer: Peer, status: int) -> None:
    head = await peer.answer()
    if not head.startswith(b"HTTP/1.1 %d " % status):
        raise Wrong(f"answered {head[:80]!r}, not {status}")
    await peer.gone()
    peer.leave()


# Before the opening handshake is over


async def silence(actor: Actor) -> None:
    """
    Connect, and say nothing at all.
    """
    await _expectStatus(await actor.arrive(), 408)


async def slowOpening(actor: Actor) -> None:
    """
    Open with a byte a second.
    """
    peer = await actor.arrive()
    answering = asyncio.create_task(_expectStatus(peer, 408))
    try:
        for each in request(actor.scene.port):
            peer.write(bytes([each]))
            # Nothing more behind the server's end: that would break the answer off.
            if (await asyncio.wait([answering], timeout=1))[0]:
                break
        await answering
    finally:
        answering.cancel()


async def noHTTP(actor: Actor) -> None:
    """
    Open with what is no request.
    """
    peer = await actor.arrive()
    await peer.send(b"\x16\x03\x01 hello\r\n\r\n")
    await _expectStatus(peer, 400)


async def anotherOrigin(actor: Actor) -> None:
    """
    Come from another site's page.
    """
    peer = await actor.arrive()
    head = request(actor.scene.port).removesuffix(b"\r\n")
    await peer.send(head + b"Origin: https://elsewhere.example\r\n\r\n")
    await _expectStatus(peer, 403)


async def resetOpening(actor: Actor) -> None:
    """
    Be gone in the middle of the opening handshake.
    """
    peer = await actor.arrive()
    head = request(actor.scene.port)
    await peer.send(head[: actor.dice.randrange(len(head))])
    peer.reset()


# What breaks the protocol


async def garbage(actor: Actor) -> None:
    """
    Send what are no frames.
    """
    peer = await actor.join()
    await peer.send(b"\xff" + actor.dice.randbytes(100))
    await _expectCode(peer, 1002)


async def notUTF8(actor: Actor) -> None:
    """
    Send text that is none.
    """
    peer = await actor.join()
    await peer.send(frame(TEXT, b"\xc0\x80"))
    await _expectCode(peer, 1007)


async def tooLarge(actor: Actor) -> None:
    """
    Announce more than is taken.
    """
    peer = await actor.join()
    head = struct.pack("!BBQ", FIN | BINARY, 0x80 | 127, _TOO_MUCH)
    await peer.send(head + b"mask")
    await _expectCode(peer, 1009)


async def notDeflated(actor: Actor) -> None:
    """
    Send as compressed what was not.
    """
    peer = await actor.join(compressed=True)
    await peer.send(frame(TEXT, b"\xff" * 20, FIN | RSV1))
    await _expectCode(peer, 1002, 1007)


async def unansweredClose(actor: Actor) -> None:
    """
    Never answer the server's close frame, nor its end of the connection.
    """
    peer = await actor.join()
    await peer.send(b"\x81\x05hello")
    if await peer.closeCode() != 1002:
        raise Wrong("a frame without a mask has to be refused with 1002")
    await asyncio.sleep(_CLOSE_TIMEOUT + 1)


# What happens to peers


async def resetMessage(actor: Actor) -> None:
    """
    Be gone in the middle of a frame.
    """
    peer = await actor.join()
    octets = frame(BINARY, actor.dice.randbytes(5000))
    await peer.send(octets[: actor.dice.randrange(len(octets))])
    peer.reset()


async def resetClose(actor: Actor) -> None:
    """
    Say goodbye, and be gone before the answer.
    """
    peer = await actor.join()
    await peer.send(frame(CLOSE, b""))
    peer.reset()


async def halfClose(actor: Actor) -> None:
    """
    End one direction, in the middle of a message, and listen on.
    """
    peer = await actor.join()
    await peer.send(frame(TEXT, b"there is more to co", 0))
    peer.halfClose()
    await peer.gone()
    peer.leave()


async def slowReader(actor: Actor) -> None:
    """
    Ask for four megabytes, and read nothing.
    """
    peer = await actor.join()
    payload = actor.dice.randbytes(2**16)
    for _ in range(64):
        peer.write(frame(BINARY, payload))
    await asyncio.sleep(2)
    peer.reset()


async def pingFlood(actor: Actor) -> None:
    """
    Send very many pings, and stay for no answer.
    """
    peer = await actor.join()
    await peer.send(frame(PING, b"p" * 125) * 500)
    peer.leave()


FAULTS: tuple[Callable[[Actor], Awaitable[None]], ...] = (
    silence,
    slowOpening,
    noHTTP,
    anotherOrigin,
    resetOpening,
    garbage,
    notUTF8,
    tooLarge,
    notDeflated,
    unansweredClose,
    resetMessage,
    resetClose,
    halfClose,
    slowReader,
    pingFlood,
)


def inAnyOrder(dice: random.Random) -> list[Callable[[Actor], Awaitable[None]]]:
    """
    All of them, each once.
    """
    return dice.sample(FAULTS, len(FAULTS))
