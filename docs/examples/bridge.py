# Part of txwebsocket. See LICENSE for details.
"""Let WebSocket clients reach a TCP server, at one path of a site."""

import sys

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.task import react
from twisted.protocols.portforward import ProxyFactory
from twisted.web.resource import Resource
from twisted.web.server import Site

from txwebsocket import WebSocketResource, WebSocketStreamFactory


def makeSite(host, port):
    root = Resource()
    bridge = WebSocketStreamFactory(ProxyFactory(host, port))
    root.putChild(b"bridge", WebSocketResource(bridge))
    return Site(root)


async def serve(reactor, host, port):
    endpoint = serverFromString(reactor, "tcp:8080:interface=127.0.0.1")
    await endpoint.listen(makeSite(host, int(port)))
    await Deferred()


if __name__ == "__main__":
    react(lambda reactor: ensureDeferred(serve(reactor, *sys.argv[1:])))
