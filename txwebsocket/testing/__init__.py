# -*- test-case-name: tests.testing.test_site -*-
# Part of txwebsocket. See LICENSE for details.
"""
For tests of applications: clients and a server in memory, without sockets or waiting.

They are the real ones, with their real handshake, resource and timers. Only the wires
between them and the time are the test's::

    site = MemorySite(Echo)
    connection = self.successResultOf(site.connect())
    connection.send("hello")
    site.flush()
    self.assertEqual(self.successResultOf(connection.receive()), "hello")
    site.advance(60)
"""

from txwebsocket.testing.site import MemorySite, MemoryWire
from txwebsocket.testing.transports import MemoryTLSTransport, MemoryTransport

__all__ = ["MemorySite", "MemoryTLSTransport", "MemoryTransport", "MemoryWire"]
