# Part of txwebsocket. See LICENSE for details.
"""
What Twisted finds of txwebsocket. Every twistd and trial reads this file, and every
program that uses an endpoint string, so that it imports nothing of ours.
"""

from typing import Any

from twisted.application.service import ServiceMaker
from twisted.internet.interfaces import (
    IStreamClientEndpoint,
    IStreamClientEndpointStringParserWithReactor,
    IStreamServerEndpoint,
    IStreamServerEndpointStringParser,
)
from twisted.plugin import IPlugin
from twisted.python.reflect import namedAny
from zope.interface import implementer


@implementer(IPlugin, IStreamClientEndpointStringParserWithReactor)
class _ClientParser:
    """
    Reads the strings of ``clientFromString`` that begin with a prefix.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def parseStreamClient(
        self, reactor: Any, *args: Any, **kwargs: Any
    ) -> IStreamClientEndpoint:
        """
        Leave that to who knows, when it is asked for.
        """
        parse = namedAny("txwebsocket.streams.strings.parseClient")
        endpoint: IStreamClientEndpoint = parse(reactor, self.prefix, *args, **kwargs)
        return endpoint


@implementer(IPlugin, IStreamServerEndpointStringParser)
class _ServerParser:
    """
    Reads the strings of ``serverFromString`` that begin with a prefix.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def parseStreamServer(
        self, reactor: Any, *args: Any, **kwargs: Any
    ) -> IStreamServerEndpoint:
        """
        Leave that to who knows, when it is asked for.
        """
        parse = namedAny("txwebsocket.streams.strings.parseServer")
        endpoint: IStreamServerEndpoint = parse(reactor, self.prefix, *args, **kwargs)
        return endpoint


websocket = ServiceMaker(
    "txwebsocket",
    "txwebsocket.standalone.tap",
    "Serve WebSockets: an echo with a page, files, or an application of yours.",
    "websocket",
)
wsClient = _ClientParser("ws")
wssClient = _ClientParser("wss")
wsServer = _ServerParser("ws")
