# Part of txwebsocket. See LICENSE for details.
"""Trust the servers of one certificate authority, and no others."""

from twisted.internet.ssl import Certificate, optionsForClientTLS
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer

from txwebsocket import WebSocketClient


@implementer(IPolicyForHTTPS)
class TrustOnly:
    def __init__(self, pem):
        self._authority = Certificate.loadPEM(pem)

    def creatorForNetloc(self, hostname, port):
        return optionsForClientTLS(hostname.decode(), trustRoot=self._authority)


def makeClient(reactor, path):
    with open(path, "rb") as file:
        return WebSocketClient(reactor, tlsPolicy=TrustOnly(file.read()))
