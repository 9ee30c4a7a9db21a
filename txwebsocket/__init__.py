# -*- test-case-name: tests -*-
# Part of txwebsocket. See LICENSE for details.
"""
WebSockets for Twisted: a client and a server.

The public names are those of this package, of :mod:`txwebsocket.testing` and of
:mod:`txwebsocket.browser`. All other modules are private.
"""

import sys

from txwebsocket._version import __version__
from txwebsocket._version import __version__ as version
from txwebsocket.browser.api import InvalidAccess, InvalidSyntax
from txwebsocket.browser.dom import CloseEvent, ErrorEvent, Event, MessageEvent
from txwebsocket.config import ClientConfig, ServerConfig, firstOffered
from txwebsocket.handshake.cookies import Cookie
from txwebsocket.handshake.origins import INSECURE_ANY_ORIGIN
from txwebsocket.wire.codes import CloseCause, CloseCode, Opcode
from txwebsocket.wire.config import BufferPolicy
from txwebsocket.wire.deflate import Deflate
from txwebsocket.wire.errors import (
    BufferFull,
    ConnectionClosed,
    HandshakeError,
    InvalidState,
    UpgradeRefused,
    WebSocketError,
)
from txwebsocket.wire.extensions import (
    ExtensionNegotiator,
    MessageTooBig,
    MessageTransform,
    NegotiatedExtension,
    StepTransform,
    StreamingTransform,
)
from txwebsocket.wire.grammar import ExtensionHeader
from txwebsocket.wire.report import CloseReport, TrafficStats
from txwebsocket.wire.speedups import SPEEDUPS
from txwebsocket.wire.states import State

# A browser's Python has no Twisted.
if sys.platform != "emscripten":
    from txwebsocket.client.backoff import ReconnectConfig
    from txwebsocket.client.client import WebSocketClient
    from txwebsocket.client.endpoint import WebSocketClientEndpoint
    from txwebsocket.client.factory import (
        OpeningProtocol,
        WebSocketClientProtocolFactory,
    )
    from txwebsocket.client.proxies import HTTPProxyEndpoint, SOCKSProxyEndpoint
    from txwebsocket.client.proxyenv import PROXY_FROM_ENVIRONMENT
    from txwebsocket.client.reconnect import ReconnectingWebSocket
    from txwebsocket.client.service import WebSocketClientService
    from txwebsocket.client.tls import InsecureTLSPolicy, TLSPolicy
    from txwebsocket.client.w3c import W3CWebSocket
    from txwebsocket.connection.errors import (
        CertificateRejected,
        ConnectionRejected,
        OpeningFailed,
        OpeningStep,
        OpeningTimedOut,
        ProxyFailed,
        ProxyRejected,
    )
    from txwebsocket.connection.frame import WebSocketFrame
    from txwebsocket.connection.incoming import MessageReader
    from txwebsocket.connection.outgoing import MessageWriter
    from txwebsocket.connection.upgraded import UpgradedProtocol, adoptConnection
    from txwebsocket.connection.websocket import WebSocketConnection
    from txwebsocket.deprecation import Deprecation
    from txwebsocket.interfaces import (
        WebSocketClientFactory,
        WebSocketProtocol,
        WebSocketServerFactory,
        WebSocketTransport,
    )
    from txwebsocket.server.factory import WebSocketServerProtocolFactory
    from txwebsocket.server.request import WebSocketRequest
    from txwebsocket.server.resource import WebSocketResource
    from txwebsocket.server.router import WebSocketRouter, WebSocketRouterRequest
    from txwebsocket.server.server import WebSocketServer
    from txwebsocket.server.site import WebSocketSite
    from txwebsocket.streams.endpoints import (
        WebSocketStreamClientEndpoint,
        WebSocketStreamFactory,
        WebSocketStreamServerEndpoint,
        clientFromURL,
    )

__all__ = [
    "INSECURE_ANY_ORIGIN",
    "PROXY_FROM_ENVIRONMENT",
    "SPEEDUPS",
    "BufferFull",
    "BufferPolicy",
    "CertificateRejected",
    "ClientConfig",
    "CloseCause",
    "CloseCode",
    "CloseEvent",
    "CloseReport",
    "ConnectionClosed",
    "ConnectionRejected",
    "Cookie",
    "Deflate",
    "Deprecation",
    "ErrorEvent",
    "Event",
    "ExtensionHeader",
    "ExtensionNegotiator",
    "HTTPProxyEndpoint",
    "HandshakeError",
    "InsecureTLSPolicy",
    "InvalidAccess",
    "InvalidState",
    "InvalidSyntax",
    "MessageEvent",
    "MessageReader",
    "MessageTooBig",
    "MessageTransform",
    "MessageWriter",
    "NegotiatedExtension",
    "Opcode",
    "OpeningFailed",
    "OpeningProtocol",
    "OpeningStep",
    "OpeningTimedOut",
    "ProxyFailed",
    "ProxyRejected",
    "ReconnectConfig",
    "ReconnectingWebSocket",
    "SOCKSProxyEndpoint",
    "ServerConfig",
    "State",
    "StepTransform",
    "StreamingTransform",
    "TLSPolicy",
    "TrafficStats",
    "UpgradeRefused",
    "UpgradedProtocol",
    "W3CWebSocket",
    "WebSocketClient",
    "WebSocketClientEndpoint",
    "WebSocketClientFactory",
    "WebSocketClientProtocolFactory",
    "WebSocketClientService",
    "WebSocketConnection",
    "WebSocketError",
    "WebSocketFrame",
    "WebSocketProtocol",
    "WebSocketRequest",
    "WebSocketResource",
    "WebSocketRouter",
    "WebSocketRouterRequest",
    "WebSocketServer",
    "WebSocketServerFactory",
    "WebSocketServerProtocolFactory",
    "WebSocketSite",
    "WebSocketStreamClientEndpoint",
    "WebSocketStreamFactory",
    "WebSocketStreamServerEndpoint",
    "WebSocketTransport",
    "__version__",
    "adoptConnection",
    "clientFromURL",
    "firstOffered",
    "version",
]

if sys.platform == "emscripten":
    __all__ = [name for name in __all__ if name in globals()]
