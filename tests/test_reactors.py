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
from tests.on_reactor import KINDS

REACTORS = ("asyncio", "poll", "select")
if sys.platform == "linux":
    REACTORS = (*REACTORS, "epoll")


class RaisingTests(SynchronousTestCase):
    """
    Tests of applications that raise, over real sockets.
    """

    def begin(self, reactor: str) -> subprocess.Popen[str]:
        """
        Run the program on this reactor.
        """
        # The path of a UNIX socket has to be short.
        directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, directory)
        return subprocess.Popen(
            [sys.executable, "-m", "tests.on_reactor", reactor, directory],
            cwd=Path(tests.__file__).resolve().parent.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

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
