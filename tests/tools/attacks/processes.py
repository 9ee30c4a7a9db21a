# Part of txwebsocket. See LICENSE for details.
"""
The processes that are attacked, each fresh and alone, and what the attack costs them.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO

from tests.tools.attacks.peers import PATIENCE, Peer, connect, echoes, shakeHands

VICTIMS = Path(__file__).resolve().parent / "victims"

_LISTENING = re.compile(r"Listening on wss?://[^:]+:(\d+)/")
_ENVIRONMENT = {
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
    "NO_PROXY": "*",
    "no_proxy": "*",
}


class Unfit(Exception):
    """
    A victim can't be attacked, and why.
    """


class Victim:
    """
    A process, as the kernel sees it.
    """

    def __init__(self, process: subprocess.Popen[bytes], log: BinaryIO) -> None:
        self._process = process
        self._log = log
        self._proc = Path("/proc") / str(process.pid)
        self._before = 0

    # Memory

    def mark(self) -> None:
        """
        From here on memory is counted.
        """
        self._before = self._memory("VmRSS")
        (self._proc / "clear_refs").write_text("5")

    def grown(self) -> int:
        """
        By how many bytes the memory in use has grown since, at its highest.
        """
        return self._memory("VmHWM") - self._before

    def kept(self) -> int:
        """
        By how many bytes it is larger now.
        """
        return self._memory("VmRSS") - self._before

    def _memory(self, field: str) -> int:
        status = (self._proc / "status").read_text()
        found = re.search(rf"^{field}:\s+(\d+) kB$", status, re.MULTILINE)
        if found is None:
            raise Unfit("it has ended: " + self.said()[-500:])
        return int(found[1]) * 1024

    # Other things

    def worked(self) -> float:
        """
        Seconds that its main thread has had a processor.
        """
        return int((self._proc / "schedstat").read_text().split()[0]) / 1e9

    def descriptors(self) -> int:
        """
        How many are open.
        """
        return len(list((self._proc / "fd").iterdir()))

    def said(self) -> str:
        """
        All that it has printed.
        """
        self._log.seek(0)
        return self._log.read().decode("utf-8", "backslashreplace")

    def awaits(self, pattern: str, seconds: float = PATIENCE) -> re.Match[str]:
        """
        Wait until it says this.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = re.search(pattern, self.said(), re.MULTILINE)
            if found is not None:
                return found
            if self._process.poll() is not None and self._process.stdin is None:
                break
            time.sleep(0.02)
        raise Unfit(f"it does not say {pattern!r}: {self.said()[-500:]}")

    def tell(self, word: str) -> None:
        """
        Write a line to its standard input.
        """
        stdin = self._process.stdin
        if stdin is None:
            raise Unfit("it does not listen to its standard input")
        stdin.write(word.encode() + b"\n")
        stdin.flush()

    def rests(self) -> None:
        """
        Wait until it has nothing to do any more.
        """
        before = -1.0
        while self.worked() - before > 0.002:
            before = self.worked()
            time.sleep(0.1)

    def end(self) -> None:
        # Nobody wants to wait for its farewells.
        self._process.kill()
        self._process.wait()


class Server(Victim):
    """
    A server on a port.

    :ivar isSecure: whether it speaks TLS.
    """

    port = 0
    isSecure = False

    def connect(self) -> Peer:
        """
        Connect, and say nothing.
        """
        return connect(self.port, self.isSecure)

    def open(self, request: bytes = b"") -> Peer:
        """
        Open a WebSocket.
        """
        peer = self.connect()
        shakeHands(peer, request)
        return peer

    def warmUp(self, request: bytes = b"") -> None:
        """
        Have the code in memory, as in a server that has run for a while.
        """
        for _ in range(3):
            peer = self.open(request)
            echoes(peer)
            peer.close()
        self.rests()

    @classmethod
    @contextmanager
    def running(
        cls, command: list[str], isSecure: bool, cwd: Path
    ) -> Iterator["Server"]:
        """
        A server that ends with the block.
        """
        with _started(command, cwd, subprocess.PIPE) as (process, log):
            server = cls(process, log)
            server.isSecure = isSecure
            server.port = int(server.awaits(_LISTENING.pattern)[1])
            yield server


class Client(Victim):
    """
    A client that was told where to connect. What it prints are events.
    """

    def events(self) -> list[dict[str, Any]]:
        """
        What has happened so far.
        """
        lines = self.said().splitlines()
        return [json.loads(line) for line in lines if line.startswith('{"event"')]

    def expect(self, event: str, seconds: float = PATIENCE) -> dict[str, Any]:
        """
        Wait for the first event of a kind.
        """
        line = self.awaits(rf'^\{{"event": "{event}".*\}}$', seconds)[0]
        facts: dict[str, Any] = json.loads(line)
        return facts

    def expectAll(self, number: int, *kinds: str) -> None:
        """
        Wait for so many events of these kinds.
        """
        end = time.monotonic() + PATIENCE
        while sum(each["event"] in kinds for each in self.events()) < number:
            if time.monotonic() > end:
                raise Unfit(f"no {number} events: {self.said()[-500:]}")
            time.sleep(0.05)

    @classmethod
    @contextmanager
    def running(cls, url: str, **options: Any) -> Iterator["Client"]:
        """
        A client that ends with the block.
        """
        script = str(VICTIMS / "client.py")
        command = [sys.executable, script, json.dumps({"url": url, **options})]
        with _started(command, VICTIMS, subprocess.PIPE) as (process, log):
            client = cls(process, log)
            yield client


@contextmanager
def _started(
    command: list[str], cwd: Path, stdin: int
) -> Iterator[tuple[subprocess.Popen[bytes], BinaryIO]]:
    with TemporaryFile() as log:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, **_ENVIRONMENT},
            stdin=stdin,
            stdout=log,
            stderr=log,
            # A Ctrl-C on the terminal is for us; we see to their end.
            start_new_session=True,
        )
        try:
            yield process, log
        finally:
            Victim(process, log).end()
