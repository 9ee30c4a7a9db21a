# Part of txwebsocket. See LICENSE for details.
"""Trust the servers of one certificate authority, and no others."""

from twisted.internet.ssl import Certificate

from txwebsocket import TLSPolicy, WebSocketClient


def makeClient(reactor, path):
    with open(path, "rb") as file:
        authority = Certificate.loadPEM(file.read())
    return WebSocketClient(reactor, tlsPolicy=TLSPolicy(trustRoot=authority))
