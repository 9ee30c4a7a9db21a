# Part of txwebsocket. See LICENSE for details.
"""Make an AMP call over a WebSocket that is opened again whenever it is lost."""

import sys

from twisted.application.internet import ClientService
from twisted.internet.defer import ensureDeferred
from twisted.internet.protocol import Factory
from twisted.internet.task import react
from twisted.protocols import amp

from txwebsocket import clientFromURL


class Sum(amp.Command):
    arguments = [(b"a", amp.Integer()), (b"b", amp.Integer())]
    response = [(b"total", amp.Integer())]


async def ask(reactor, url, a, b):
    endpoint = clientFromURL(reactor, url, ["sums.v1"])
    service = ClientService(endpoint, Factory.forProtocol(amp.AMP), clock=reactor)
    service.startService()
    calculator = await service.whenConnected()
    answer = await calculator.callRemote(Sum, a=int(a), b=int(b))
    print(answer["total"])
    await service.stopService()


if __name__ == "__main__":
    react(lambda reactor: ensureDeferred(ask(reactor, *sys.argv[1:])))
