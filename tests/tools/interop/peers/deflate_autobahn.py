# Part of txwebsocket. See LICENSE for details.
"""
The driver of ``autobahn`` for the section "deflate", on Twisted.
"""

import sys
from typing import Any

import deflating
from autobahn.twisted.websocket import (
    WebSocketClientFactory,
    WebSocketClientProtocol,
    WebSocketServerFactory,
    WebSocketServerProtocol,
    connectWS,
)
from autobahn.websocket.compress import (
    PerMessageDeflateOffer,
    PerMessageDeflateOfferAccept,
    PerMessageDeflateResponse,
    PerMessageDeflateResponseAccept,
)
from twisted.internet import reactor
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.endpoints import serverFromString
from twisted.python import log

_ROOM = 2**24


class Echo(WebSocketServerProtocol):
    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        self.sendMessage(payload, isBinary)


async def runServer(folder: str, cases: list[dict[str, Any]]) -> None:
    for case in cases:
        deflate = case["deflate"]

        def agree(offers: list[Any], deflate: dict[str, Any] = deflate) -> Any:
            for offer in offers:
                if isinstance(offer, PerMessageDeflateOffer):
                    isAsked = offer.accept_max_window_bits
                    most = offer.request_max_window_bits or 15
                    own = deflate.get("serverBits")
                    return PerMessageDeflateOfferAccept(
                        offer,
                        request_no_context_takeover=bool(deflate.get("clientFresh")),
                        request_max_window_bits=(
                            deflate.get("clientBits") or 0 if isAsked else 0
                        ),
                        no_context_takeover=deflate.get("serverFresh") or None,
                        window_bits=own and min(own, most),
                    )
            return None

        factory = WebSocketServerFactory()
        factory.protocol = Echo
        factory.setProtocolOptions(
            perMessageCompressionAccept=agree,
            maxFramePayloadSize=_ROOM,
            maxMessagePayloadSize=_ROOM,
        )
        endpoint = serverFromString(reactor, "tcp:0:interface=127.0.0.1")
        port = await endpoint.listen(factory)
        deflating.listening(port.getHost().port)
    await Deferred()


class Talk(WebSocketClientProtocol):
    def onConnect(self, response: Any) -> None:
        self.factory.extensions = response.headers.get("sec-websocket-extensions", "")

    def onOpen(self) -> None:
        messages = self.factory.messages
        self.left = [(each, False) for each in messages]
        self.left += [(each, True) for each in messages if each]
        self.next()

    def next(self) -> None:
        if not self.left:
            self.factory.wrong = ""
            self.sendClose(1000)
            return
        message, isFragmented = self.left[0]
        isText = isinstance(message, str)
        payload = message.encode() if isText else message
        size = deflating.PIECE if isFragmented else None
        self.sendMessage(payload, not isText, fragmentSize=size)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        sent, _ = self.left.pop(0)
        received = payload if isBinary else payload.decode()
        self.factory.wrong = deflating.difference(sent, received)
        if self.factory.wrong:
            self.sendClose(1000)
        else:
            self.next()

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        factory = self.factory
        if self.left_() and not factory.wrong:
            factory.wrong = f"closed with {code} {reason}"
        factory.ended.callback(None)

    def left_(self) -> bool:
        return bool(getattr(self, "left", True))


async def runClient(folder: str, cases: list[dict[str, Any]]) -> None:
    for case in cases:
        deflate = case["deflate"]

        def accept(response: Any, deflate: dict[str, Any] = deflate) -> Any:
            if isinstance(response, PerMessageDeflateResponse):
                most = response.client_max_window_bits or 15
                own = deflate.get("clientBits")
                return PerMessageDeflateResponseAccept(
                    response,
                    no_context_takeover=deflate.get("clientFresh") or None,
                    window_bits=own and min(own, most),
                )
            return None

        offer = PerMessageDeflateOffer(
            accept_no_context_takeover=bool(deflate.get("clientFresh")),
            accept_max_window_bits=True,
            request_no_context_takeover=bool(deflate.get("serverFresh")),
            request_max_window_bits=deflate.get("serverBits") or 0,
        )
        factory = WebSocketClientFactory(case["url"])
        factory.protocol = Talk
        factory.messages = deflating.messages(folder)
        factory.extensions, factory.wrong = "", "it was never open"
        factory.ended = Deferred()
        factory.setProtocolOptions(
            perMessageCompressionOffers=[offer],
            perMessageCompressionAccept=accept,
            maxFramePayloadSize=_ROOM,
            maxMessagePayloadSize=_ROOM,
        )
        connectWS(factory)
        await factory.ended
        deflating.report("case", extensions=factory.extensions, wrong=factory.wrong)
    reactor.stop()


def main(role: str, **chosen: Any) -> None:
    log.startLogging(sys.__stderr__, setStdout=False)
    running = (runServer if role == "server" else runClient)(**chosen)
    reactor.callWhenRunning(lambda: ensureDeferred(running).addErrback(log.err))
    reactor.run()


if __name__ == "__main__":
    main(**deflating.options())
