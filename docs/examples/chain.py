# Part of txwebsocket. See LICENSE for details.
"""Go through two proxies, one behind the other."""

from twisted.internet.endpoints import HostnameEndpoint
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from txwebsocket import HTTPProxyEndpoint, SOCKSProxyEndpoint, WebSocketClient


@implementer(IAgentEndpointFactory)
class Chain:
    def __init__(self, reactor):
        self._reactor = reactor

    def endpointForURI(self, uri):
        first = HostnameEndpoint(self._reactor, "proxy.example", 3128)
        second = HTTPProxyEndpoint(self._reactor, first, "inner.example", 1080)
        host = uri.host.decode("ascii")
        return SOCKSProxyEndpoint(self._reactor, second, host, uri.port)


def makeClient(reactor):
    return WebSocketClient(reactor, proxy=Chain(reactor))
