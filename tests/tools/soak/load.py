# Part of txwebsocket. See LICENSE for details.
"""
The peers of a soak: most of them behave, some come and go, some are as bad as they can.

    load.py PORT --connections N --seconds S --seed N

What each sends follows from the seed. In lines of JSON it tells when all are there,
when they leave, and what came of it. It connects to 127.0.0.1 only.
"""

import argparse
import asyncio
import gc
import json
import random
import sys
import time
from collections import Counter
from typing import Any

from actor import Actor, Scene
from parts import LASTING, Part, cast
from peer import PATIENCE, Wrong

_TICK = 0.05
_OPENING = 90.0
_LOST = (asyncio.IncompleteReadError, ConnectionError, TimeoutError)


def tell(event: str, **facts: Any) -> None:
    """
    A line for whoever has started us.
    """
    line = {"event": event, "at": time.monotonic(), **facts}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


async def play(part: Part, actor: Actor, wrong: Counter[str]) -> None:
    """
    Play a part, again if it ends before the time does; note what the server did wrong.
    """
    while actor.hasPendingInput:
        try:
            await part(actor)
        except (Wrong, *_LOST) as problem:
            what = f"{part.__name__}: {type(problem).__name__}: {problem}"
            wrong[what[:160]] += 1
            await actor.rest()
        finally:
            actor.leave()


async def tick(scene: Scene) -> None:
    """
    Note how late timers are, since that is nothing a server is to blame for.
    """
    while True:
        began = time.monotonic()
        await asyncio.sleep(_TICK)
        scene.lateness.extend((began, time.monotonic() - began - _TICK))


async def load(port: int, connections: int, seconds: float, seed: int) -> None:
    """
    Have all come, let time pass, and have all leave.

    :param seconds: from when all are there, or should have been for long.
    """
    scene, wrong = Scene(port, connections), Counter[str]()
    parts = cast(connections)
    tasks = [
        asyncio.create_task(
            play(part, Actor(scene, random.Random(f"{seed} {number}")), wrong)
        )
        for number, part in enumerate(parts)
    ]
    staying = [task for task, part in zip(tasks, parts, strict=True) if part in LASTING]
    ticking = asyncio.create_task(tick(scene))
    deadline = time.monotonic() + _OPENING
    while scene.open < len(staying) and time.monotonic() < deadline:
        await asyncio.sleep(_TICK)
    tell("open", connections=scene.open)
    await asyncio.sleep(seconds)
    tell("closing", missing=len(staying) - scene.open)
    scene.isOver.set()
    _, late = await asyncio.wait(staying, timeout=PATIENCE)
    if late:
        wrong["no end to the close"] = len(late)
    for task in tasks:
        task.cancel()
    for end in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(end, Exception):
            wrong[f"the load itself: {end!r}"] += 1
    ticking.cancel()
    cpu = time.process_time()
    tell(
        "over",
        did=scene.did,
        wrong=wrong,
        cpu=cpu,
        latencies=[*scene.latencies],
        lateness=[*scene.lateness],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Talk with an echo server.")
    parser.add_argument("port", type=int)
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    options = parser.parse_args()
    # What is made here lives until the end; nothing shall look through it meanwhile.
    gc.set_threshold(100_000, 50, 1000)
    asyncio.run(load(options.port, options.connections, options.seconds, options.seed))


if __name__ == "__main__":
    main()
