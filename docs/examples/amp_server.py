# Part of txwebsocket. See LICENSE for details.
"""Answer AMP calls over WebSockets."""

import sys

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.protocol import Factory
from twisted.internet.task import react
from twisted.protocols import amp


class Sum(amp.Command):
    arguments = [(b"a", amp.Integer()), (b"b", amp.Integer())]
    response = [(b"total", amp.Integer())]


class Calculator(amp.AMP):
    @Sum.responder
    def sum(self, a, b):
        return {"total": a + b}


async def serve(reactor, description="ws:tcp\\:8080:path=/amp:protocol=sums.v1"):
    endpoint = serverFromString(reactor, description)
    await endpoint.listen(Factory.forProtocol(Calculator))
    await Deferred()


if __name__ == "__main__":
    react(lambda reactor: ensureDeferred(serve(reactor, *sys.argv[1:])))
