# Part of txwebsocket. See LICENSE for details.
"""
Tests of a process that stands still for longer than its deadlines.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.support import stalled

TOP = Path(stalled.__file__).parents[2]

REACTORS = [
    name
    for name, needs in (("epoll", "epoll"), ("poll", "poll"), ("select", "select"))
    if hasattr(select, needs)
]


class StalledTests(SynchronousTestCase):
    if not hasattr(os, "fork"):
        skip = "the peers need a process of their own"

    def begin(self, reactor: str, how: str) -> subprocess.Popen[bytes]:
        """
        Start such a server.
        """
        command = [sys.executable, "-m", "tests.support.stalled", reactor, how]
        server = subprocess.Popen(
            command,
            cwd=TOP,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.addCleanup(server.kill)
        return server

    def test_healthyPeers(self) -> None:
        """
        Nobody who did all in time is dropped because our process was stopped, or busy,
        when it came: not by the keep-alive, nor by ``writeTimeout`` or
        ``closeTimeout``, on whatever reactor.
        """
        servers = {
            (reactor, how): self.begin(reactor, how)
            for reactor in [*REACTORS, "asyncio"]
            for how in ("sleep", "stop")
        }
        # The others last until our own process stops.
        expected = {
            "keepaliveInterval": ["PEER_LOST"] * stalled.NUMBER,
            "writeTimeout": ["PEER_LOST"] * stalled.NUMBER,
            "closeTimeout": ["LOCAL_CLOSE"] * stalled.NUMBER,
        }
        for which, server in servers.items():
            written, _ = server.communicate(timeout=60)
            lines = written.decode("utf-8", "replace").splitlines()
            self.assertEqual((which, json.loads(lines[-1])), (which, expected))
