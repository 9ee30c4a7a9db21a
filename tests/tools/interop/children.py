# Part of txwebsocket. See LICENSE for details.
"""
The processes that take part, and their end.
"""

import asyncio
import atexit
import json
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

STEP = 15.0
"""
Seconds that anything may take that one process does.
"""

_FAREWELL = 3.0
_LAST_WORDS = 5
_ENVIRONMENT = {
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
    # Nobody shall look for us behind a proxy.
    "NO_PROXY": "*",
    "no_proxy": "*",
}
_LISTENING = re.compile(r"Listening on (\S+)")
_LINE_LIMIT = 2**20

_running: set["Child"] = set()


class OutOfStep(Exception):
    """
    A process did something else than what was expected, or nothing in time.
    """


class Child:
    """
    A process that tells what happens in lines of JSON, or in twistd's log.

    :ivar log: the lines of whatever else it says.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.log: list[str] = []
        self._process = process
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for line in self._process.stdout:
            text = line.decode("utf-8", "replace").rstrip()
            found = _LISTENING.search(text)
            if text.startswith('{"event"'):
                self._events.put_nowait(json.loads(text))
            elif found:
                self._events.put_nowait({"event": "listening", "url": found[1]})
            else:
                self.log.append(text)
        self._events.put_nowait({"event": "ended"})

    async def expect(self, event: str, seconds: float = STEP) -> dict[str, Any]:
        """
        The facts of the next event.

        :raises OutOfStep: if it is another one, or none comes.
        """
        try:
            facts = await asyncio.wait_for(self._events.get(), seconds)
        except TimeoutError:
            raise self._outOfStep(f"no {event!r} within {seconds:g} s") from None
        found = facts.pop("event")
        if found == event:
            return facts
        raise self._outOfStep(f"no {event!r} but {found!r} {facts or ''}")

    def _outOfStep(self, why: str) -> OutOfStep:
        return OutOfStep("; ".join([why, *self.log[-_LAST_WORDS:]]))

    async def listening(self) -> str:
        """
        Where it listens.
        """
        return (await self.expect("listening"))["url"]

    def tell(self, do: str, **details: object) -> None:
        """
        Give it a command.
        """
        self._process.stdin.write(json.dumps({"do": do, **details}).encode() + b"\n")

    def terminate(self) -> None:
        self._process.terminate()

    async def ended(self, seconds: float) -> int:
        """
        Wait until it has ended by itself.

        :return: its status; of one that a signal ended, the signal's number below 0.
        """
        try:
            return await asyncio.wait_for(self._process.wait(), seconds)
        except TimeoutError:
            raise OutOfStep(f"has not ended within {seconds:g} s") from None

    async def end(self) -> None:
        """
        Make it end, and wait for that.
        """
        with suppress(ProcessLookupError):
            self._process.terminate()
        with suppress(OutOfStep):
            await self.ended(_FAREWELL)
        self.kill()
        await self._process.wait()
        # What it started itself may hold the other end of the pipe.
        await asyncio.wait([self._reading], timeout=_FAREWELL)
        self._reading.cancel()

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()


@asynccontextmanager
async def running(
    *command: str | Path, cwd: Path, **environment: str
) -> AsyncIterator[Child]:
    """
    A process that ends with the block at the latest.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env={**os.environ, **_ENVIRONMENT, **environment},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        # A Ctrl-C on the terminal is for us; we see to their end.
        start_new_session=True,
        limit=_LINE_LIMIT,
    )
    child = Child(process)
    _running.add(child)
    try:
        yield child
    finally:
        await child.end()
        _running.discard(child)


async def output(
    *command: str | Path, cwd: Path, seconds: float = STEP, **environment: str
) -> tuple[int, str]:
    """
    The status of a process, and all that it says.
    """
    async with running(*command, cwd=cwd, **environment) as child:
        status = await child.ended(seconds)
        await child.expect("ended")
        return status, "\n".join(child.log)


@atexit.register
def _killAll() -> None:
    for child in _running:
        child.kill()
