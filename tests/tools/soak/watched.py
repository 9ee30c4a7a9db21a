# Part of txwebsocket. See LICENSE for details.
"""
A server in a process of its own, seen from outside.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from judging import Sample

HERE = Path(__file__).resolve().parent

_PORT = "tcp:0:interface=127.0.0.1:backlog=4096"
_START = 15.0  # seconds a server may take to listen
_STOP = 15.0
_GOING = 20.0  # seconds connections may take to go when all peers have gone
_MOMENT = 0.5
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICK = os.sysconf("SC_CLK_TCK")
_LISTENING = re.compile(r"Listening on ws://127\.0\.0\.1:(\d+)/")
_ERROR = re.compile(r"Traceback|Unhandled|#(?:error|critical)\]")


class ProtocolFailure(Exception):
    """
    A process did not do what was asked of it, and why.
    """


class Server:
    """
    The server of ``twistd websocket``.

    :ivar port: where it listens, on 127.0.0.1.
    """

    def __init__(self, folder: Path) -> None:
        self._log = folder / "server.log"
        self._clientDisconnected = folder / "left.json"
        command = [sys.executable, HERE / "observed.py", self._clientDisconnected]
        command += ["-n", "--pidfile=", "websocket", "--compress", "--port", _PORT]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.port = int(waitFor("the server listens", self._listens, _START))
        self._greet()

    def _listens(self) -> str | None:
        text = self._log.read_text(errors="replace")
        if self._process.poll() is not None:
            raise ProtocolFailure(f"the server does not start: {text[-500:]}")
        found = _LISTENING.search(text)
        return found and found[1]

    def _greet(self) -> None:
        """
        Be answered once, so that all is open that a reactor has for itself.
        """
        with socket.create_connection(("127.0.0.1", self.port), _START) as greeting:
            greeting.sendall(b"GET /none HTTP/1.0\r\n\r\n")
            while greeting.recv(4096):
                pass
        time.sleep(_MOMENT)

    def errors(self) -> list[str]:
        """
        The lines of its log that tell of what must not happen.
        """
        with self._log.open(errors="replace") as lines:
            return [line.strip() for line in lines if _ERROR.search(line)]

    def sample(self) -> Sample:
        """
        How it is now.
        """
        process = Path("/proc", str(self._process.pid))
        pages = int((process / "statm").read_text().split()[1])
        descriptors = len(os.listdir(process / "fd"))
        return Sample(time.monotonic(), pages * _PAGE, descriptors)

    def cpu(self) -> float:
        """
        The processor's time that it has taken, in seconds.
        """
        stat = Path("/proc", str(self._process.pid), "stat").read_text()
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / _TICK

    def leftovers(self, descriptors: int) -> dict[str, int]:
        """
        What is in it, by its own account, when the last connections have gone, or
        should have.

        :param descriptors: how many it has without any.
        """
        with suppress(ProtocolFailure):
            waitFor("", lambda: self.sample().descriptors <= descriptors, _GOING)
        self._clientDisconnected.unlink(missing_ok=True)
        self._process.send_signal(signal.SIGUSR2)
        return waitFor("the server tells what is left", self._readLeft, _START)

    def _readLeft(self) -> dict[str, int] | None:
        line = (
            self._clientDisconnected.read_text()
            if self._clientDisconnected.exists()
            else ""
        )
        return json.loads(line) if line.endswith("\n") else None

    def stop(self) -> int:
        """
        End it as a service is ended.

        :return: its exit status; 0, too, if it has ended by the signal in the end, as
            Twisted does when all is done.
        """
        self._process.terminate()
        try:
            status = self._process.wait(_STOP)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        return 0 if status == -signal.SIGTERM else abs(status)


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """
    A server that ends with the block at the latest.
    """
    server = Server(folder)
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def sampling(server: Server, pause: float) -> Iterator[list[Sample]]:
    """
    Look at a server every so many seconds while the block lasts; the list becomes
    longer meanwhile.
    """
    samples: list[Sample] = []
    isOver = threading.Event()

    def look() -> None:
        while not isOver.wait(pause):
            samples.append(server.sample())

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        isOver.set()
        thread.join()


def waitFor(what: str, condition: Callable[[], Any], seconds: float) -> Any:
    """
    Wait until a condition gives something, and return that.

    :raises Failed: if it takes too long.
    """
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise ProtocolFailure(f"not within {seconds:g} s: {what}")
        time.sleep(0.05)
    return found
