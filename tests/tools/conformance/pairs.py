# Part of txwebsocket. See LICENSE for details.
"""
The two processes that talk with each other, and their end.
"""

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from certificate import Certified

_HERE = Path(__file__).resolve().parent
_START = 30.0
_FAREWELL = 30.0
_LAST_WORDS = 15
# What both log of errors that nobody caught.
_UNCAUGHT = ("Traceback (most recent call last)", "Unhandled")


class Broken(Exception):
    """
    A process did not do its part.
    """


@dataclass(frozen=True)
class Setting:
    """
    Who talks with the testsuite, and how.

    :ivar role: ours, ``server`` or ``client``.
    :ivar twin: of the fast path, ``native`` or ``pure``.
    :ivar over: ``tcp`` or ``tls``.
    """

    role: str
    twin: str
    over: str

    def __str__(self) -> str:
        return f"{self.role}, {self.twin}, {self.over}"


class Child:
    """
    A process that logs to a file.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self._process = process
        self._log = log

    def line(self) -> str:
        """
        What it prints when it is ready.

        :raises Broken: if it does not.
        """
        ready, _, _ = select.select([self._process.stdout], [], [], _START)
        line = self._process.stdout.readline() if ready else b""
        if not line:
            raise self._broken("did not start")
        return line.decode().strip()

    def wait(self, seconds: float) -> None:
        """
        Wait until it is done.

        :raises Broken: if it takes longer.
        """
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise self._broken(f"was not done within {seconds:.0f} s") from None

    def end(self) -> None:
        """
        Have it end. The suite takes a while, as it writes its reports then.
        """
        self._process.terminate()
        try:
            self._process.wait(_FAREWELL)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def check(self) -> None:
        """
        :raises Broken: if it did not end well, or logged an error that nobody caught.
        """
        if self._process.returncode:
            raise self._broken(f"ended with status {self._process.returncode}")
        if any(mark in self._text() for mark in _UNCAUGHT):
            raise self._broken("logged an error")

    def _text(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def _broken(self, what: str) -> Broken:
        """
        An error with the end of the log, or with the first traceback in it.
        """
        text = self._text().expandtabs(2)
        found = [at for mark in _UNCAUGHT if (at := text.find(mark)) >= 0]
        lines = text[min(found) :].splitlines() if found else text.splitlines()
        shown = lines[:_LAST_WORDS] if found else lines[-_LAST_WORDS:]
        return Broken("\n    ".join([f"{self._log.stem} {what}", *shown]))


@contextmanager
def _running(
    command: list[str | Path], log: Path, **environment: str
) -> Iterator[Child]:
    """
    A process that ends with the block.
    """
    inherited = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    with log.open("wb") as errors:
        process = subprocess.Popen(
            command,
            env={**inherited, "PYTHONDONTWRITEBYTECODE": "1", **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
    with process:
        child = Child(process, log)
        try:
            yield child
        finally:
            child.end()
        child.check()


@dataclass(frozen=True)
class Pairs:
    """
    The testsuite, and what it needs to talk with us.

    :ivar suite: where ``setup.sh`` installed it.
    """

    suite: Path
    certified: Certified

    def run(self, setting: Setting, cases: list[str], folder: Path) -> None:
        """
        Run cases, and leave reports and logs in a folder.

        :raises Broken: if that did not go to its end.
        """
        (folder / "cases").write_text("\n".join(cases), encoding="utf-8")
        # Ten times what they take on average.
        seconds = 60.0 + 10.0 * len(cases)
        if setting.role == "server":
            self._judgeServer(setting, folder, seconds)
        else:
            self._judgeClient(setting, folder, seconds)

    def _judgeServer(self, setting: Setting, folder: Path, seconds: float) -> None:
        scheme = "ws" if setting.over == "tcp" else "wss"
        with self._ours(setting, folder, self._endpoint(setting)) as server:
            url = f"{scheme}://127.0.0.1:{server.line()}/"
            with self._suite("client", url, folder) as suite:
                suite.wait(seconds)

    def _judgeClient(self, setting: Setting, folder: Path, seconds: float) -> None:
        trusted = [] if setting.over == "tcp" else [self.certified.certificate]
        with (
            self._suite("server", self._endpoint(setting), folder) as suite,
            self._ours(setting, folder, suite.line(), *trusted) as client,
        ):
            client.wait(seconds)

    def _ours(
        self, setting: Setting, folder: Path, *arguments: str | Path
    ) -> AbstractContextManager[Child]:
        name = f"our_{setting.role}"
        command = [sys.executable, _HERE / f"{name}.py", *arguments]
        wish = "yes" if setting.twin == "native" else "no"
        return _running(command, folder / f"{name}.log", TXWEBSOCKET_SPEEDUPS=wish)

    def _suite(
        self, role: str, where: str, folder: Path
    ) -> AbstractContextManager[Child]:
        # The suite is of another time, and is warned of much.
        command = [self.suite / "venv" / "bin" / "python", "-W", "ignore"]
        command += [_HERE / "suite.py", role, where, folder / "cases", folder]
        packages = str(self.suite / "packages")
        return _running(command, folder / "suite.log", PYTHONPATH=packages)

    def _endpoint(self, setting: Setting) -> str:
        if setting.over == "tcp":
            return "tcp:0:interface=127.0.0.1"
        certificate, key = self.certified
        return f"ssl:0:interface=127.0.0.1:privateKey={key}:certKey={certificate}"
