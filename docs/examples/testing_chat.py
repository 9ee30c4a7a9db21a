# Part of txwebsocket. See LICENSE for details.
"""Test a chat without a socket."""

from twisted.trial.unittest import SynchronousTestCase

from txwebsocket import CloseCause, WebSocketProtocol
from txwebsocket.testing import MemorySite


class Greeter(WebSocketProtocol):
    def negotiationFinished(self):
        self.connection.send("hello")


class GreeterTests(SynchronousTestCase):
    def test_greets(self):
        site = MemorySite(Greeter)
        connection = self.successResultOf(site.connect())
        site.flush()
        self.assertEqual(self.successResultOf(connection.receive()), "hello")

    def test_noticesDeadClients(self):
        site = MemorySite(Greeter)
        self.successResultOf(site.connect())
        [served] = site.server.connections
        site.wires[0].server.isStalled = True
        site.wires[0].client.isStalled = True
        site.advance(40)
        self.assertIs(served.closeReport.cause, CloseCause.KEEPALIVE_TIMEOUT)
