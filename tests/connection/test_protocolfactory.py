# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.connection.protocolfactory`.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.protocol import Protocol
from twisted.trial.unittest import SynchronousTestCase

from txwebsocket.connection.protocolfactory import SingleProtocolFactory


def attributesOf(thing: object) -> set[str]:
    """
    The names of what an object has.
    """
    return set(vars(thing))


class FactoryTests(SynchronousTestCase):
    """
    Tests of :class:`SingleProtocolFactory`, with what Twisted's client objects look
    like; those themselves are in :mod:`tests.integration.test_cycles`.
    """

    def setUp(self) -> None:
        self.protocol = Protocol()
        self.factory = SingleProtocolFactory(self.protocol)
        self.factory.doStart()

    def connect(self, state: str) -> Any:
        """
        A client's socket whose connector is in this state.
        """
        wrapping = SimpleNamespace(_connector="connector", other=1)
        connector = SimpleNamespace(state=state, factory=wrapping)
        return SimpleNamespace(connector=connector)

    def test_protocol(self) -> None:
        """
        It gives away its protocol, which does not get to know it.
        """
        address = IPv4Address("TCP", "192.0.2.1", 80)
        self.assertIs(self.factory.buildProtocol(address), self.protocol)
        self.assertIsNone(self.protocol.factory)

    def test_stopped(self) -> None:
        """
        Stopped, it keeps the protocol no more, nor does the socket its connector, be it
        below TLS or not.
        """
        socket = self.connect("disconnected")
        wrapping = socket.connector.factory
        transport: Any = SimpleNamespace(transport=SimpleNamespace(transport=socket))
        self.protocol.transport = transport
        self.factory.doStop()
        self.assertIsNone(self.factory.buildProtocol(None))
        self.assertEqual(attributesOf(socket), set())
        self.assertEqual(attributesOf(wrapping), {"other"})
        self.factory.stopFactory()

    def test_needed(self) -> None:
        """
        A connector that is still needed is left alone.
        """
        socket = self.connect("connected")
        self.protocol.transport = socket
        self.factory.doStop()
        self.assertEqual(socket.connector.state, "connected")

    def test_others(self) -> None:
        """
        There may be no transport, or one that has none of this.
        """
        transports: tuple[Any, ...] = (None, object(), SimpleNamespace(transport=None))
        for transport in transports:
            self.protocol.transport = transport
            factory = SingleProtocolFactory(self.protocol)
            factory.doStart()
            factory.doStop()
            self.assertIsNone(factory.buildProtocol(None))
