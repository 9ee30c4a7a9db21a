# Part of txwebsocket. See LICENSE for details.
"""
Tests of what differs from one reactor to another.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import tests
from tests.support.on_reactor import KINDS

REACTORS = ("asyncio", "poll", "select")
if sys.platform == "linux":
    REACTORS = (*REACTORS, "epoll")


class ReactorTestCase(SynchronousTestCase):
    """
    Runs programs on reactors.
    """

    def begin(
        self, reactor: str, program: str = "tests.support.on_reactor"
    ) -> subprocess.Popen[str]:
        """
        Run a program on this reactor.
        """
        # The path of a UNIX socket has to be short.
        directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, directory)
        return subprocess.Popen(
            [sys.executable, "-m", program, reactor, directory],
            cwd=Path(tests.__file__).resolve().parent.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )


class RaisingTests(ReactorTestCase):
    """
    Tests of applications that raise, over real sockets.
    """

    def test_everyReactor(self) -> None:
        """
        On each reactor, over TCP and UNIX sockets, whatever is raised by an application
        of the server or of the client ends its connection with 1011, and nothing else:
        neither the reactor nor the connections that follow. On asyncio's, a message
        waits for the task that the one before has returned.
        """
        once = [f"{name} 1011 1011" for name in KINDS]
        running = {reactor: self.begin(reactor) for reactor in REACTORS}
        for reactor, process in running.items():
            told, _ = process.communicate(timeout=60)
            answers = ["AB"] if reactor == "asyncio" else []
            self.assertEqual(told.splitlines(), [*once, *answers] * 2, reactor)
            self.assertEqual(process.returncode, 0, reactor)


class BusyTests(ReactorTestCase):
    """
    Tests of applications whose hooks take their time, over real sockets.
    """

    def test_everyReactor(self) -> None:
        """
        On each reactor, over TCP, TLS and UNIX sockets, a hook at either end may take
        longer than the other end waits for a pong, and its answer arrives. Messages
        right before a close are delivered, and the close is clean at once.
        """
        lines = [
            f"/?{kind} ['A', 'B'] ['a', 'c', 'd'] True"
            for kind in ("tcp", "tls", "unix")
        ]
        program = "tests.support.busy_on_reactor"
        running = {reactor: self.begin(reactor, program) for reactor in REACTORS}
        for reactor, process in running.items():
            told, _ = process.communicate(timeout=60)
            self.assertEqual(sorted(told.splitlines()), lines, reactor)
            self.assertEqual(process.returncode, 0, reactor)
