# -*- test-case-name: tests -*-
# Part of txwebsocket. See LICENSE for details.
"""
WebSockets for Twisted: a client and a server.
"""

import sys

from txwebsocket._version import __version__
from txwebsocket._version import __version__ as version
from txwebsocket.browserapi import InvalidAccess, InvalidSyntax
from txwebsocket.config import ClientConfig, ServerConfig, firstOffered
from txwebsocket.events import CloseEvent, ErrorEvent, Event, MessageEvent
from txwebsocket.wire.codes import CloseCause, CloseCode, Opcode
from txwebsocket.wire.config import BufferPolicy
from txwebsocket.wire.cookies import Cookie
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
    Agreement,
    ExtensionFactory,
    MessageTooBig,
    PieceTransform,
    StepTransform,
    Transform,
)
from txwebsocket.wire.grammar import Extension
from txwebsocket.wire.origins import INSECURE_ANY_ORIGIN
from txwebsocket.wire.report import CloseReport, Traffic
from txwebsocket.wire.speedups import SPEEDUPS
from txwebsocket.wire.states import State

# A browser's Python has no Twisted.
if sys.platform != "emscripten":
    from txwebsocket.client import WebSocketClient
    from txwebsocket.clientfactory import (
        OpeningProtocol,
        WebSocketClientProtocolFactory,
    )
    from txwebsocket.connection import WebSocketConnection
    from txwebsocket.deprecation import Deprecation
    from txwebsocket.endpoint import WebSocketClientEndpoint
    from txwebsocket.environment import PROXY_FROM_ENVIRONMENT
    from txwebsocket.errors import (
        CertificateRejected,
        ConnectionRejected,
        OpeningFailed,
        OpeningStep,
        OpeningTimedOut,
        ProxyFailed,
        ProxyRejected,
    )
    from txwebsocket.frame import WebSocketFrame
    from txwebsocket.incoming import IncomingMessage
    from txwebsocket.interfaces import (
        WebSocketClientFactory,
        WebSocketProtocol,
        WebSocketServerFactory,
        WebSocketTransport,
    )
    from txwebsocket.outgoing import OutgoingMessage
    from txwebsocket.proxies import HTTPProxyEndpoint, SOCKSProxyEndpoint
    from txwebsocket.reconnecting import WebSocketConnections
    from txwebsocket.request import WebSocketRequest
    from txwebsocket.resource import WebSocketResource
    from txwebsocket.retrying import ReconnectConfig
    from txwebsocket.router import WebSocketRouter, WebSocketRouterRequest
    from txwebsocket.server import WebSocketServer
    from txwebsocket.serverfactory import WebSocketServerProtocolFactory
    from txwebsocket.service import WebSocketClientService
    from txwebsocket.site import WebSocketSite
    from txwebsocket.streams import (
        WebSocketStreamClientEndpoint,
        WebSocketStreamFactory,
        WebSocketStreamServerEndpoint,
        clientFromURL,
    )
    from txwebsocket.tls import InsecureTLSPolicy, TLSPolicy
    from txwebsocket.upgraded import UpgradedProtocol, adoptConnection
    from txwebsocket.w3c import W3CWebSocket

__all__ = [
    "INSECURE_ANY_ORIGIN",
    "PROXY_FROM_ENVIRONMENT",
    "SPEEDUPS",
    "Agreement",
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
    "Extension",
    "ExtensionFactory",
    "HTTPProxyEndpoint",
    "HandshakeError",
    "IncomingMessage",
    "InsecureTLSPolicy",
    "InvalidAccess",
    "InvalidState",
    "InvalidSyntax",
    "MessageEvent",
    "MessageTooBig",
    "Opcode",
    "OpeningFailed",
    "OpeningProtocol",
    "OpeningStep",
    "OpeningTimedOut",
    "OutgoingMessage",
    "PieceTransform",
    "ProxyFailed",
    "ProxyRejected",
    "ReconnectConfig",
    "SOCKSProxyEndpoint",
    "ServerConfig",
    "State",
    "StepTransform",
    "TLSPolicy",
    "Traffic",
    "Transform",
    "UpgradeRefused",
    "UpgradedProtocol",
    "W3CWebSocket",
    "WebSocketClient",
    "WebSocketClientEndpoint",
    "WebSocketClientFactory",
    "WebSocketClientProtocolFactory",
    "WebSocketClientService",
    "WebSocketConnection",
    "WebSocketConnections",
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
