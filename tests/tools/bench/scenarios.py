# Part of txwebsocket. See LICENSE for details.
"""
What is asked of the servers.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scenario:
    """
    One kind of load.

    :ivar title: what happens, for readers.
    :ivar load: the options of wsload.
    """

    name: str
    title: str
    load: str

    @property
    def isIdle(self) -> bool:
        """
        Whether memory is measured in it, and not time.
        """
        return self.name == "idle"

    @property
    def path(self) -> str:
        return "/fanout" if self.name == "fanout" else "/"


SCENARIOS = {
    name: Scenario(name, title, load)
    for name, title, load in (
        ("latency", "1 connection, 1 message of 32 B at a time", "-s 32"),
        ("echo100", "100 connections, 1 message of 128 B each", "-c 100 -s 128"),
        (
            "pipelined",
            "10 connections, 64 messages of 128 B each",
            "-c 10 -s 128 -d 64",
        ),
        ("64k", "4 connections, 4 of 64 KiB, binary", "-c 4 -s 65536 -d 4 -b"),
        ("64k-text", "4 connections, 4 of 64 KiB, text", "-c 4 -s 65536 -d 4"),
        ("1m", "2 connections, 2 of 1 MiB, binary", "-c 2 -s 1048576 -d 2 -b"),
        ("deflate", "10 connections, 16 of 512 B, compressed", "-c 10 -s 512 -d 16 -z"),
        (
            "fanout",
            "1 message of 128 B to 1000 connections",
            "-m fanout -c 1000 -s 128",
        ),
        ("connect", "connections opened and closed", "-m connect -s 2"),
        ("idle", "memory of each of 2000 idle connections", "-m idle -c 2000 -s 2"),
    )
}
