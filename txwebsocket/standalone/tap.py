# -*- test-case-name: tests.standalone.test_tap -*-
# Part of txwebsocket. See LICENSE for details.
"""
``twistd websocket``: a server with nothing to write.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from twisted.application import strports
from twisted.application.service import MultiService, Service
from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import (
    IListeningPort,
    IProtocolFactory,
    IStreamServerEndpoint,
)
from twisted.logger import Logger
from twisted.python.reflect import namedAny
from twisted.python.usage import Options as UsageOptions
from twisted.python.usage import UsageError
from zope.interface import implementer

from txwebsocket.config import ServerConfig, firstOffered
from txwebsocket.handshake.addresses import parseAddress
from txwebsocket.handshake.forwarded import TrustedProxies
from txwebsocket.handshake.hosts import HostPolicy
from txwebsocket.handshake.origins import OriginPolicy
from txwebsocket.interfaces import WebSocketProtocol
from txwebsocket.server.server import WebSocketServer
from txwebsocket.server.site import WebSocketSite
from txwebsocket.server.tlscheck import BrokenTLS, checkTLS
from txwebsocket.standalone.pages import RootResource
from txwebsocket.wire.deflate import Deflate
from txwebsocket.wire.grammar import isToken

_LOCAL_PORT = "tcp:{}:interface=127.0.0.1"
DEFAULT_PORT = _LOCAL_PORT.format(8080)

_APP_HELP = (
    "What to serve in place of the echo: the dotted name of a handler, a factory or a "
    "WebSocketProtocol. It is looked for in the working directory first."
)
_LIFETIME_HELP = (
    "Close each connection after so many seconds, or up to a tenth earlier. "
    "[default: never]"
)
_STATIC_HELP = (
    "A directory of files to serve in place of the page. Its index.html is shown at /, "
    "where the WebSocket stays."
)


class Echo(WebSocketProtocol):
    """
    Send back every message: what is served if there is no ``--app``.
    """

    def textMessageReceived(self, message: str) -> None:
        """
        Send it back as text.
        """
        self.connection.send(message)

    def bytesMessageReceived(self, data: bytes) -> None:
        """
        Send it back as bytes.
        """
        self.connection.send(data)


class Listeners:
    """
    The addresses that are listened on, and the hosts to answer for if none are named.

    Where only this machine can connect, its user's browser can, with any page that it
    has loaded (see :mod:`txwebsocket.handshake.hosts`). So the hosts are ``localhost``
    and all addresses then: no attacker has them as the name of a site. Elsewhere the
    names that lead to the server are not known, and all are answered for.
    """

    def __init__(self) -> None:
        self._isLoopback: list[bool] = []

    def add(self, address: Any) -> None:
        """
        Take note of one. No browser reaches a UNIX socket, so that it does not count.
        """
        if not isinstance(address, UNIXAddress):
            place = parseAddress(str(getattr(address, "host", "")))
            self._isLoopback.append(place is not None and place.is_loopback)

    def permits(self, host: str) -> bool:
        """
        Is this host answered for?
        """
        isLocal = bool(self._isLoopback) and all(self._isLoopback)
        isHarmless = host.rstrip(".") == "localhost" or parseAddress(host) is not None
        return not isLocal or isHarmless


class Options(UsageOptions):
    """
    The command line of ``twistd websocket``.
    """

    synopsis = "[options]"

    longdesc = (
        "Serve WebSockets. Without options this is an echo server on port 8080 for "
        "programs on this machine alone, with a page at http://127.0.0.1:8080/ to try "
        "it out. Use --port=tcp:8080 to open it to others."
    )

    optParameters = [
        [
            "app",
            "a",
            None,
            _APP_HELP,
        ],
        [
            "static",
            "s",
            None,
            _STATIC_HELP,
        ],
        [
            "forwarded-header",
            None,
            "X-Forwarded-For",
            "The header in which trusted proxies tell addresses.",
        ],
        [
            "max-size",
            "m",
            None,
            "The largest message to take, in bytes. [default: 1048576]",
        ],
        [
            "max-lifetime",
            None,
            None,
            _LIFETIME_HELP,
        ],
    ]

    optFlags = [
        ["compress", "z", "Compress messages for clients that can (RFC 7692)."],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["ports"] = []
        self["origins"] = []
        self["hosts"] = []
        self["proxies"] = []
        self["listeners"] = Listeners()

    def opt_port(self, description: str) -> None:
        """
        Where to listen: the number of a port, for this machine alone; or a Twisted
        endpoint: tcp:8080 (open to others),
        ssl:8443:privateKey=key.pem:certKey=cert.pem, unix:/run/ws.sock, systemd:...,
        haproxy:tcp:8080. Can be given several times.
        [default: tcp:8080:interface=127.0.0.1]
        """
        if description.isdecimal():
            description = _LOCAL_PORT.format(description)
        self["ports"].append(description)

    opt_p = opt_port

    def opt_origin(self, origin: str) -> None:
        """
        Let pages of this origin connect, besides the server's own: https://example.com
        or https://*.example.com; or exactly what a program sends, such as file://. Can
        be given several times. '*' lets every page on the web connect in its visitor's
        name, and so does 'null', which every site can have a page send.
        """
        _check("--origin", OriginPolicy, [origin])
        self["origins"].append(origin)

    def opt_allowed_host(self, host: str) -> None:
        """
        Answer only requests that name this host: example.com, *.example.com, an address
        or a network. Can be given several times; '*' is any host. [default: localhost
        and all addresses if only this machine can connect, else any]
        """
        _check("--allowed-host", HostPolicy, [host])
        self["hosts"].append(host)

    def opt_trusted_proxy(self, proxy: str) -> None:
        """
        Believe the header of this proxy that tells clients' addresses: an address, a
        network, or 'unix' for one at the other end of a UNIX socket. Can be given
        several times.
        """
        _check("--trusted-proxy", TrustedProxies, [proxy])
        self["proxies"].append(proxy)

    def opt_pidfile(self, path: str) -> None:
        """
        The same as twistd's own option before the word websocket.
        """
        if self.parent is not None:
            self.parent["pidfile"] = path

    def postOptions(self) -> None:
        """
        Check what was given.

        :raises UsageError: naming the option that is wrong.
        """
        self["ports"] = self["ports"] or [DEFAULT_PORT]
        self["config"] = self._config()
        self["application"] = self._application()
        directory = self["static"]
        if directory is not None and not os.path.isdir(directory):
            raise UsageError(f"--static: {directory!r} is not a directory")
        for description in self["ports"]:
            self._checkPort(description)
        if any(map(_isTLS, self["ports"])):
            try:
                checkTLS()
            except BrokenTLS as problem:
                raise UsageError(f"--port: {problem}") from None

    def _checkPort(self, description: str) -> None:
        try:
            # Without a reactor nothing can be listened on, but all else is looked at.
            serverFromString(None, description)
        except Exception as error:
            raise UsageError(f"--port: {description!r}: {error}") from error

    def _config(self) -> ServerConfig:
        options: dict[str, Any] = {
            "origins": self["origins"],
            "allowedHosts": self["hosts"] or self["listeners"].permits,
            "trustedProxies": self["proxies"],
            "forwardedHeader": self["forwarded-header"],
        }
        if self["app"] is None:
            # An echo speaks whatever its client does.
            options["subprotocols"] = firstOffered
        if self["compress"]:
            options["extensions"] = [Deflate()]
        size = self["max-size"]
        if size is not None:
            if not size.isdecimal() or int(size) < 1:
                raise UsageError(
                    f"--max-size: a number of bytes, at least 1, and not {size!r}"
                )
            options["maxReceivedMessageSize"] = int(size)
        lifetime = self["max-lifetime"]
        if lifetime is not None:
            options["maxLifetime"] = _seconds("--max-lifetime", lifetime)
        if not isToken(self["forwarded-header"]):
            raise UsageError(
                "--forwarded-header: the name of a header such as Forwarded, and not "
                f"{self['forwarded-header']!r}"
            )
        return ServerConfig(**options)

    def _application(self) -> Any:
        name = self["app"]
        if name is None:
            return Echo
        sys.path.insert(0, os.getcwd())
        try:
            application = namedAny(name)
            WebSocketServer(application)
        except (ValueError, AttributeError, ImportError, TypeError) as error:
            raise UsageError(f"--app: {name!r} can't be served: {error}") from error
        return application


def _check(
    option: str, policy: Callable[[list[str]], object], given: list[str]
) -> None:
    try:
        policy(given)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None


def _seconds(option: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise UsageError(f"{option}: a number of seconds above 0, and not {text!r}")
    return seconds


def _isTLS(description: str) -> bool:
    kind = description.removeprefix("haproxy:").partition(":")[0]
    return kind in ("ssl", "tls")


def makeService(options: Options) -> MultiService:
    """
    The service that the options describe.
    """
    root = RootResource(options["application"], options["config"], options["static"])
    services = MultiService()
    # A service stops what was added last first: the ports, then the connections.
    _ConnectionsService(root.server).setServiceParent(services)
    for description in options["ports"]:
        port = strports.service(description, WebSocketSite(root))
        port.endpoint = _AnnouncedEndpoint(
            port.endpoint, _isTLS(description), options["listeners"]
        )
        port.setServiceParent(services)
    return services


class _ConnectionsService(Service):
    """
    Close all connections with 1001 when the process ends.
    """

    def __init__(self, server: WebSocketServer) -> None:
        self._server = server

    def stopService(self) -> Deferred[None]:
        super().stopService()
        return self._server.shutDown()


@implementer(IStreamServerEndpoint)
class _AnnouncedEndpoint:
    """
    Say where an endpoint listens, once it does, in a line that scripts can read, and to
    the :class:`Listeners`.
    """

    _log = Logger()

    def __init__(
        self, endpoint: IStreamServerEndpoint, isSecure: bool, listeners: Listeners
    ) -> None:
        self._endpoint = endpoint
        self._listeners = listeners
        self._scheme = "wss" if isSecure else "ws"

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        listening = self._endpoint.listen(protocolFactory)
        return listening.addCallbacks(self._announce, self._explain)

    def _announce(self, port: IListeningPort) -> IListeningPort:
        self._listeners.add(port.getHost())
        self._log.info("Listening on {url}", url=_urlOf(self._scheme, port.getHost()))
        return port

    def _explain(self, failure: Any) -> Any:
        if failure.check(CannotListenError):
            raise SystemExit(str(failure.value))
        return failure


def _urlOf(scheme: str, address: Any) -> str:
    if isinstance(address, UNIXAddress):
        path = (address.name or b"").decode("utf-8", "backslashreplace")
        return f"{scheme}+unix:{path}"
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{scheme}://{host}:{address.port}/"
