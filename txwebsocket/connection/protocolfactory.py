# -*- test-case-name: tests.connection.test_protocolfactory -*-
# Part of txwebsocket. See LICENSE for details.
"""
The factory of one protocol, for one attempt to connect.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.protocol import Factory, Protocol


class SingleProtocolFactory(Factory):
    """
    Give an endpoint a protocol that exists already.

    Neither keeps the other after the end, and the protocol does not know the factory:
    objects that refer to each other would wait for the cyclic collector of Python.
    """

    # Each event in the log would keep the factory.
    noisy = False

    def __init__(self, protocol: Protocol) -> None:
        self._protocol: Any = protocol

    def buildProtocol(self, address: object) -> Any:
        """
        Return the protocol.
        """
        return self._protocol

    def stopFactory(self) -> None:
        """
        Let go of the protocol, and break the cycles of Twisted's own client objects.
        """
        protocol, self._protocol = self._protocol, None
        if protocol is not None:
            _releaseConnector(protocol.transport)


def _releaseConnector(transport: Any) -> None:
    """
    A client's socket, its connector and the factory of Twisted's endpoint refer to each
    other. When the connection has ended, none of them needs the others.
    """
    owned = _attributes(transport)
    while "connector" not in owned:
        # TLS has its transport below.
        transport = owned.get("transport")
        if transport is None:
            return
        owned = _attributes(transport)
    connector = owned["connector"]
    # A proxy's protocol stops its inner factory while the connector is still needed.
    if getattr(connector, "state", None) == "disconnected":
        # Twisted's own client lets go of it, too, if it fails to connect.
        del transport.connector
        _attributes(connector.factory).pop("_connector", None)


def _attributes(thing: object) -> dict[str, Any]:
    """
    An object's own attributes. A wrapper has those of others, too, if it is asked.
    """
    return getattr(thing, "__dict__", {})
