# Part of txwebsocket. See LICENSE for details.
"""
Tests of ``twistd websocket``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from twisted.application.service import IService, IServiceMaker, MultiService
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IStreamServerEndpoint
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs
from twisted.plugin import IPlugin
from twisted.plugins import txwebsocket_plugin
from twisted.python.usage import UsageError
from twisted.scripts.twistd import ServerOptions
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.support.memory import Peer, Recorder, binary, close, handshake, text
from tests.support.remote import certify
from txwebsocket import (
    INSECURE_ANY_ORIGIN,
    ServerConfig,
    WebSocketRequest,
    firstOffered,
)
from txwebsocket.standalone import tap
from txwebsocket.standalone.tap import DEFAULT_PORT, Echo, Options, makeService
from txwebsocket.testing import MemoryTransport

LOOPBACK = IPv4Address("TCP", "127.0.0.1", 8080)


def parse(*arguments: str) -> Options:
    """
    Read a command line, in which what matters not is left out.
    """
    options = Options()
    options.parseOptions(arguments)
    return options


class OptionsTests(SynchronousTestCase):
    """
    Tests of the command line.
    """

    def assertWrong(self, option: str, *arguments: str) -> str:
        """
        Check that a command line is refused, and that the message names the option.
        """
        with self.assertRaises(UsageError) as raised:
            makeService(parse(*arguments))
        message = str(raised.exception)
        self.assertIn(option, message)
        return message

    def test_defaults(self) -> None:
        """
        Without options it is an echo server for programs on this machine alone.
        """
        options = parse()
        self.assertEqual(options["ports"], ["tcp:8080:interface=127.0.0.1"])
        self.assertEqual(DEFAULT_PORT, "tcp:8080:interface=127.0.0.1")
        self.assertIs(options["application"], Echo)
        config = ServerConfig(
            origins=[],
            allowedHosts=options["listeners"].permits,
            subprotocols=firstOffered,
        )
        self.assertEqual(options["config"], config)
        self.assertIsNone(options["static"])

    def test_port(self) -> None:
        """
        ``--port``, or ``-p``, says where to listen in place of that, several times.
        """
        options = parse("--port=tcp:8081", "-p", "unix:/run/ws.sock")
        self.assertEqual(options["ports"], ["tcp:8081", "unix:/run/ws.sock"])

    def test_portNumber(self) -> None:
        """
        A number alone is a port for programs on this machine, as by default.
        """
        options = parse("--port=8081", "-p", "0")
        self.assertEqual(
            options["ports"],
            ["tcp:8081:interface=127.0.0.1", "tcp:0:interface=127.0.0.1"],
        )

    def test_badPort(self) -> None:
        """
        What is no endpoint is refused, before anything is started.
        """
        for bad in ("nonsense:1", "tcp:http", "tcp", "8080x"):
            self.assertWrong("--port", f"--port={bad}")
        self.assertWrong("--port", "--port=ssl:8443:privateKey=/nonexistent.pem")

    def test_origin(self) -> None:
        """
        ``--origin`` lets in pages of other origins, several, or of all with a star.
        """
        options = parse("--origin=https://a.example", "--origin", "https://*.b.example")
        self.assertEqual(
            list(options["config"].origins),
            ["https://a.example", "https://*.b.example"],
        )
        self.assertEqual(
            list(parse("--origin=*")["config"].origins), [INSECURE_ANY_ORIGIN]
        )

    def test_exactOrigin(self) -> None:
        """
        A program that sends no real origin is named by what it sends.
        """
        for sent in ("file://", "null", "MyDevice", "http://a.example/path"):
            options = parse(f"--origin={sent}")
            self.assertEqual(options["config"].origins, (sent,))

    def test_badOrigin(self) -> None:
        """
        What is no origin is refused.
        """
        for bad in ("https://*", "", "*.example", "a b", "https://*.a.example/path"):
            self.assertWrong("--origin", f"--origin={bad}")

    def test_allowedHost(self) -> None:
        """
        ``--allowed-host`` names the hosts to answer for, several.
        """
        options = parse("--allowed-host=a.example", "--allowed-host", "*.b.example")
        self.assertEqual(options["config"].allowedHosts, ("a.example", "*.b.example"))
        self.assertEqual(parse("--allowed-host=*")["config"].allowedHosts, ("*",))

    def test_badAllowedHost(self) -> None:
        """
        What is no host is refused.
        """
        for bad in ("", "a.example:80", "http://a.example", "a b", "10.0.0.0/33"):
            self.assertWrong("--allowed-host", f"--allowed-host={bad}")

    def test_trustedProxy(self) -> None:
        """
        ``--trusted-proxy`` names the proxies to believe, several, and
        ``--forwarded-header`` the header.
        """
        config = parse("--trusted-proxy=unix", "--trusted-proxy=10.0.0.0/8")["config"]
        self.assertEqual(config.trustedProxies, ("unix", "10.0.0.0/8"))
        self.assertEqual(config.forwardedHeader, "X-Forwarded-For")
        config = parse("--forwarded-header=Forwarded")["config"]
        self.assertEqual(config.forwardedHeader, "Forwarded")

    def test_badTrustedProxy(self) -> None:
        """
        What is no proxy and no header is refused.
        """
        for bad in ("", "localhost", "10.0.0.1/8"):
            self.assertWrong("--trusted-proxy", f"--trusted-proxy={bad}")
        for bad in ("", "a b", "X:"):
            self.assertWrong("--forwarded-header", f"--forwarded-header={bad}")

    def test_maxSize(self) -> None:
        """
        ``--max-size``, or ``-m``, bounds the messages.
        """
        for arguments in (["--max-size=5"], ["-m", "5"]):
            self.assertEqual(parse(*arguments)["config"].maxReceivedMessageSize, 5)
        self.assertEqual(parse("--max-size=1")["config"].maxReceivedMessageSize, 1)
        self.assertEqual(parse()["config"].maxReceivedMessageSize, 2**20)

    def test_badMaxSize(self) -> None:
        """
        What is no size is refused, and shown.
        """
        for bad in (
            "0",
            "-1",
            "1.5",
            "1k",
            "",
            "ten",
            "0x10",
            " 5",
            "\N{SUPERSCRIPT TWO}",
        ):
            message = self.assertWrong("--max-size", f"--max-size={bad}")
            self.assertIn(repr(bad), message)

    def test_maxLifetime(self) -> None:
        """
        ``--max-lifetime`` bounds how long a connection lasts, in seconds.
        """
        self.assertIsNone(parse()["config"].maxLifetime)
        for given, seconds in (("3600", 3600), ("0.5", 0.5), ("1e3", 1000)):
            config = parse(f"--max-lifetime={given}")["config"]
            self.assertEqual(config.maxLifetime, seconds)

    def test_badMaxLifetime(self) -> None:
        """
        What is no such time is refused, and shown.
        """
        for bad in ("0", "-1", "1h", "", "inf", "nan", "never"):
            message = self.assertWrong("--max-lifetime", f"--max-lifetime={bad}")
            self.assertIn(repr(bad), message)

    def test_compress(self) -> None:
        """
        ``--compress``, or ``-z``, offers compression; without it there is none.
        """
        self.assertEqual(list(parse()["config"].extensions), [])
        for argument in ("--compress", "-z"):
            self.assertEqual(len(list(parse(argument)["config"].extensions)), 1)

    def test_static(self) -> None:
        """
        ``--static``, or ``-s``, serves the files of a directory, which must be there.
        """
        directory = self.mktemp()
        os.mkdir(directory)
        for arguments in ([f"--static={directory}"], ["-s", directory]):
            self.assertEqual(parse(*arguments)["static"], directory)
        missing = self.mktemp()
        message = self.assertWrong("--static", f"--static={missing}")
        self.assertIn(repr(missing), message)
        self.assertWrong("--static", f"--static={__file__}")
        self.assertWrong("--static", "--static=")

    def test_pidfile(self) -> None:
        """
        ``--pidfile`` works behind the word ``websocket`` as well as before it.
        """
        for arguments in (
            ["websocket", "--pidfile=/run/ws.pid"],
            ["--pidfile=/run/ws.pid", "websocket"],
            ["--pidfile=/run/x.pid", "websocket", "--pidfile", "/run/ws.pid"],
        ):
            options = ServerOptions()
            options.parseOptions(arguments)
            self.assertEqual(options["pidfile"], "/run/ws.pid")
        options = ServerOptions()
        options.parseOptions(["websocket", "--pidfile="])
        self.assertEqual(options["pidfile"], "")

    def test_pidfileAlone(self) -> None:
        """
        Without twistd it means nothing.
        """
        self.assertEqual(parse("--pidfile=x")["ports"], [DEFAULT_PORT])

    def test_surplus(self) -> None:
        """
        What belongs to no option is refused.
        """
        self.assertWrong("", "echo")
        self.assertWrong("--prot", "--prot=tcp:8080")

    def test_help(self) -> None:
        """
        ``--help`` names each option, with its default where it has one.
        """
        text = str(Options())
        for words in (
            "--port=",
            "--app=",
            "--static=",
            "--origin=",
            "--max-size=",
            "--max-lifetime=",
            "--compress",
            "--pidfile=",
            DEFAULT_PORT,
            "1048576",
        ):
            self.assertIn(words, text.replace("\n", " "))


class AppTests(SynchronousTestCase):
    """
    Tests of ``--app``.
    """

    def setUp(self) -> None:
        """
        Work in a directory with modules in it.
        """
        directory = Path(self.mktemp())
        directory.mkdir()
        path, modules = list(sys.path), set(sys.modules)
        self.addCleanup(self.restore, os.getcwd(), path, modules)
        os.chdir(directory)
        Path("txwebsocket_sample.py").write_text(
            "class Factory:\n"
            "    def buildProtocol(self, request):\n"
            "        return None\n"
            "factory = Factory()\n"
            "async def handler(request):\n"
            "    pass\n"
            "number = 5\n",
            encoding="utf-8",
        )
        Path("txwebsocket_broken.py").write_text("import no_such_module_at_all\n")
        Path("txwebsocket_typo.py").write_text("def handler(request)\n")
        # There is a module of this name in the standard library.
        Path("this.py").write_text("def handler(request):\n    pass\n")

    def restore(self, directory: str, path: list[str], modules: set[str]) -> None:
        """
        Forget the directory and its modules.
        """
        os.chdir(directory)
        sys.path[:] = path
        for name in set(sys.modules) - modules:
            del sys.modules[name]

    def test_kinds(self) -> None:
        """
        It is the dotted name of a handler, a factory or a class, in the working
        directory.
        """
        for name in ("handler", "factory", "Factory"):
            for arguments in (
                [f"--app=txwebsocket_sample.{name}"],
                ["-a", f"txwebsocket_sample.{name}"],
            ):
                application = parse(*arguments)["application"]
                module = sys.modules["txwebsocket_sample"]
                self.assertIs(application, getattr(module, name))

    def test_installed(self) -> None:
        """
        Or in what is installed.
        """
        self.assertIs(
            parse("--app=txwebsocket.standalone.tap.Echo")["application"], Echo
        )

    def test_workingDirectoryFirst(self) -> None:
        """
        The working directory comes first.
        """
        handler = parse("--app=this.handler")["application"]
        self.assertEqual(handler.__code__.co_filename, os.path.abspath("this.py"))
        self.assertEqual(sys.path[0], os.getcwd())

    def test_noPathWithoutApp(self) -> None:
        """
        Without ``--app`` nothing is looked for there.
        """
        path = list(sys.path)
        parse()
        self.assertEqual(sys.path, path)

    def test_wrong(self) -> None:
        """
        A name that leads to nothing that can be served is refused, and shown.
        """
        for name in (
            "",
            ".",
            "no_such_module_at_all",
            "no_such_module_at_all.handler",
            "txwebsocket_sample",
            "txwebsocket_sample.",
            "txwebsocket_sample.nothing",
            "txwebsocket_sample.number",
            "txwebsocket_sample:handler",
            "txwebsocket_broken.handler",
        ):
            with self.assertRaises(UsageError) as raised:
                parse(f"--app={name}")
            self.assertIn("--app", str(raised.exception))
            self.assertIn(repr(name), str(raised.exception))

    def test_cause(self) -> None:
        """
        If its module can't be imported it says why.
        """
        with self.assertRaises(UsageError) as raised:
            parse("--app=txwebsocket_broken.handler")
        self.assertIn("no_such_module_at_all", str(raised.exception))

    def test_typo(self) -> None:
        """
        A module with an error in it shows where the error is.
        """
        with self.assertRaises((SyntaxError, UsageError)) as raised:
            parse("--app=txwebsocket_typo.handler")
        self.assertIn("txwebsocket_typo.py", str(raised.exception))


@implementer(IStreamServerEndpoint)
class MemoryEndpoint:
    """
    Listens nowhere.

    :ivar result: what comes of it.
    :ivar factory: what would be served.
    """

    def __init__(self, result: Any) -> None:
        self.result = result
        self.factory: Any = None

    def listen(self, protocolFactory: Any) -> Deferred[Any]:
        """
        Pretend to.
        """
        self.factory = protocolFactory
        return (
            fail(self.result) if isinstance(self.result, Exception) else succeed(self)
        )

    def getHost(self) -> Any:
        """
        Where.
        """
        return self.result

    def stopListening(self) -> None:
        """
        Pretend to.
        """


class BehindProxy(MemoryTransport):
    """
    A connection over a UNIX socket.
    """

    def getPeer(self) -> Any:
        """
        It has no address.
        """
        return UNIXAddress("")


def tellAddress(request: WebSocketRequest) -> None:
    """
    A handler that tells the client its address.
    """
    request.reject(418, str(request.remoteAddress))


class ServiceTests(SynchronousTestCase):
    """
    Tests of what runs then.
    """

    def serve(
        self, *arguments: str, addresses: Sequence[Any] = (LOOPBACK, LOOPBACK)
    ) -> MultiService:
        """
        Make the service, with memory in place of sockets and a clock of its own.

        :param addresses: where the ports are said to listen.
        """
        service = makeService(parse(*arguments))
        self.clock = Clock()
        self.endpoints = []
        for port, address in zip(service.services[1:], addresses, strict=False):
            port.factory.reactor = self.clock
            endpoint = vars(port.endpoint)["_endpoint"] = MemoryEndpoint(address)
            self.endpoints.append(endpoint)
        service.privilegedStartService()
        service.startService()
        return service

    def connect(self, number: int = 0) -> Peer:
        """
        A client connects to one of the ports.
        """
        transport = MemoryTransport(self.clock)
        protocol = self.endpoints[number].factory.buildProtocol(transport.getPeer())
        transport.connect(protocol)
        return Peer(protocol, transport)

    def upgrade(self, number: int = 0) -> Peer:
        """
        A client is given a WebSocket.
        """
        peer = self.connect(number)
        peer.send(handshake("Host: localhost"))
        self.assertEqual(peer.response().status, 101)
        return peer

    def status(self, host: str) -> int:
        """
        What a page of this host is answered that asks it for a WebSocket.
        """
        peer = self.connect()
        peer.send(handshake(f"Host: {host}", f"Origin: http://{host}"))
        return peer.response().status

    def test_rebinding(self) -> None:
        """
        Where only this machine can connect, no page of the web can, whatever address
        its name leads to. ``localhost`` and addresses will do.
        """
        local = (LOOPBACK, IPv6Address("TCP", "::1", 8080), UNIXAddress("ws.sock"))
        ports = ["--port=1", "--port=2", "--port=unix:ws.sock"]
        self.serve(*ports, addresses=local)
        for host in ("evil.example", "evil.example:8080", "localhost.evil.example"):
            self.assertEqual(self.status(host), 421)
        for host in ("localhost:8080", "127.0.0.1", "[::1]:8080", "192.0.2.1"):
            self.assertEqual(self.status(host), 101)

    def test_rebindingPage(self) -> None:
        """
        Nor can such a page read the files that are served.
        """
        self.serve()
        for path in ("/", "/page.js", "/nothing"):
            peer = self.connect()
            peer.send(f"GET {path} HTTP/1.1\r\nHost: evil.example\r\n\r\n".encode())
            response = peer.response()
            self.assertEqual(response[:2], (421, "Misdirected Request"))
            self.assertIn(b"--allowed-host", response.body)

    def test_open(self) -> None:
        """
        Where others can connect, the names that lead here are not known: all will do,
        unless some are named.
        """
        place = IPv4Address("TCP", "0.0.0.0", 8081)
        ports = ["--port=8080", "--port=tcp:8081"]
        self.serve(*ports, addresses=(LOOPBACK, place))
        self.assertEqual(self.status("www.example.com"), 101)
        self.serve("--port=unix:ws.sock", addresses=(UNIXAddress("ws.sock"),))
        self.assertEqual(self.status("www.example.com"), 101)
        self.serve(*ports, "--allowed-host=a.example", addresses=(LOOPBACK, place))
        self.assertEqual(self.status("www.example.com"), 421)
        self.assertEqual(self.status("a.example"), 101)

    def test_proxy(self) -> None:
        """
        Behind a proxy at a UNIX socket, the application is told the client's address.
        """
        place = (UNIXAddress("ws.sock"),)
        app = "--app=tests.standalone.test_tap.tellAddress"
        self.serve("--port=unix:ws.sock", app, "--trusted-proxy=unix", addresses=place)
        transport = BehindProxy(self.clock)
        protocol = self.endpoints[0].factory.buildProtocol(transport.getPeer())
        transport.connect(protocol)
        peer = Peer(protocol, transport)
        peer.send(handshake("X-Forwarded-For: 192.0.2.7"))
        self.assertIn(b"192.0.2.7", peer.response().body)

    def test_named(self) -> None:
        """
        With ``--allowed-host`` just these will do, on this machine too.
        """
        self.serve("--allowed-host=a.example")
        self.assertEqual(self.status("a.example"), 101)
        self.assertEqual(self.status("localhost"), 421)

    def test_echo(self) -> None:
        """
        By default every message comes back as it was.
        """
        self.serve()
        peer = self.upgrade()
        peer.sendText("text", "")
        peer.sendBytes(b"bytes")
        self.assertEqual(peer.frames(), [text("text"), text(""), binary(b"bytes")])

    def test_page(self) -> None:
        """
        And there is a page to try it out.
        """
        self.serve()
        peer = self.connect()
        peer.send(b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        response = peer.response()
        size = (Path(tap.__file__).with_name("page") / "index.html").stat().st_size
        self.assertEqual(response.status, 200)
        self.assertEqual(response.header("Content-Length"), [str(size)])

    def test_app(self) -> None:
        """
        ``--app`` is served in place of the echo, and has subprotocols of its own.
        """
        self.assertEqual(
            parse("--app=tests.support.memory.Recorder")["config"].subprotocols, ()
        )
        self.serve("--app=tests.support.memory.Recorder")
        peer = self.upgrade()
        peer.sendText("text")
        self.assertEqual(peer.frames(), [])

    def test_subprotocol(self) -> None:
        """
        The echo agrees to the first subprotocol that the client offers, since most
        clients fail if none is chosen.
        """
        self.serve()
        for lines, chosen in (
            (["Sec-WebSocket-Protocol: chat, superchat"], ["chat"]),
            ([], []),
        ):
            peer = self.connect()
            peer.send(handshake("Host: localhost", *lines))
            response = peer.response()
            self.assertEqual(response.status, 101)
            self.assertEqual(response.header("Sec-WebSocket-Protocol"), chosen)

    def test_static(self) -> None:
        """
        ``--static`` is served in place of the page.
        """
        directory = Path(self.mktemp())
        directory.mkdir()
        (directory / "index.html").write_text("<h1>mine</h1>")
        self.serve(f"--static={directory}")
        peer = self.connect()
        peer.send(b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertEqual(peer.response().header("Content-Length"), ["13"])

    def test_limits(self) -> None:
        """
        The limits are those of the command line.
        """
        self.serve("--max-size=5")
        peer = self.upgrade()
        peer.sendText("123456")
        [frame] = peer.frames()
        self.assertEqual(frame.payload[:2], (1009).to_bytes(2, "big"))

    def test_lifetime(self) -> None:
        """
        With ``--max-lifetime`` a connection is closed with 1001 in time.
        """
        self.serve("--max-lifetime=10", "--max-size=5")
        peer = self.upgrade()
        peer.waitLong(8)
        self.assertEqual(peer.frames(), [])
        peer.waitLong(2)
        [frame] = peer.frames()
        self.assertEqual(frame.payload, (1001).to_bytes(2, "big"))

    def test_compress(self) -> None:
        """
        With ``--compress`` clients that can are answered compressed.
        """
        self.serve("--compress")
        peer = self.connect()
        peer.send(
            handshake("Host: localhost", "Sec-WebSocket-Extensions: permessage-deflate")
        )
        [extensions] = peer.response().header("Sec-WebSocket-Extensions")
        self.assertTrue(extensions.startswith("permessage-deflate"))
        peer.sendText("x" * 1000)
        [frame] = peer.frames()
        self.assertLess(len(frame.payload), 100)

    def test_strictSite(self) -> None:
        """
        The site is the strict one: ten seconds for the head of a request.
        """
        self.serve()
        peer = self.connect()
        peer.wait(10)
        self.assertEqual(peer.response().status, 408)

    def test_ports(self) -> None:
        """
        All ports serve the same, and its connections are counted and closed together.
        """
        service = self.serve("--port=tcp:8081", "--port=tcp:8082")
        peers = [self.upgrade(0), self.upgrade(1)]
        service.stopService()
        for peer in peers:
            self.assertEqual(peer.frames(), [close(1001)])

    def test_stop(self) -> None:
        """
        Stopping closes the connections with 1001, and waits until they are gone.
        """
        service = self.serve()
        peer = self.upgrade()
        stopped = service.stopService()
        self.assertEqual(peer.frames(), [close(1001)])
        self.assertNoResult(stopped)
        peer.sendClose(1001)
        self.successResultOf(stopped)
        self.assertFalse(any(each.running for each in service.services))
        peer.turn()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stopBounded(self) -> None:
        """
        But not for ever.
        """
        service = self.serve()
        peer = self.upgrade()
        stopped = service.stopService()
        peer.wait(5)
        self.successResultOf(stopped)
        self.assertTrue(peer.transport.wasAborted)

    def test_stopOrder(self) -> None:
        """
        Ports are closed before connections are: nobody slips in between.
        """
        told: list[str] = []
        service = self.serve("--app=tests.support.memory.Recorder")
        peer = self.upgrade()
        [endpoint] = self.endpoints
        endpoint.stopListening = lambda: told.append(f"port {bytes(peer.received())!r}")
        service.stopService()
        self.assertEqual(told, ["port b''"])
        self.assertEqual(peer.frames(), [close(1001)])

    def test_interface(self) -> None:
        """
        It is a service like any other.
        """
        self.assertTrue(verifyObject(IService, makeService(parse())))
        self.assertIsInstance(Recorder, type)


class AnnouncementTests(SynchronousTestCase):
    """
    Tests of the line that says where it listens.
    """

    def listen(self, port: str, result: Any) -> Deferred[Any]:
        """
        Listen on one port, with this result.
        """
        service = makeService(parse(f"--port={port}")).services[1]
        announced = service.endpoint
        self.assertTrue(verifyObject(IStreamServerEndpoint, announced))
        self.assertTrue(IStreamServerEndpoint.providedBy(vars(announced)["_endpoint"]))
        vars(announced)["_endpoint"] = MemoryEndpoint(result)
        listening: Deferred[Any] = announced.listen(service.factory)
        return listening

    def announced(self, port: str, address: Any) -> str:
        """
        The URL that is announced for an address.
        """
        with capturedLogs() as logged:
            listening = self.successResultOf(self.listen(port, address))
        self.assertIs(listening.getHost(), address)
        [event] = [event for event in logged if "url" in event]
        self.assertEqual(
            event["log_format"].format(**event), f"Listening on {event['url']}"
        )
        self.assertIs(event["log_level"], LogLevel.info)
        url: str = event["url"]
        return url

    def test_addresses(self) -> None:
        """
        Once it listens it says where, in a URL: the real port if any was asked for.
        """
        tcp = "tcp:0:interface=127.0.0.1"
        for port, address, url in (
            (tcp, IPv4Address("TCP", "127.0.0.1", 40001), "ws://127.0.0.1:40001/"),
            (tcp, IPv6Address("TCP", "::1", 40001), "ws://[::1]:40001/"),
            ("unix:ws.sock", UNIXAddress("/run/ws.sock"), "ws+unix:/run/ws.sock"),
            ("unix:ws.sock", UNIXAddress(None), "ws+unix:"),
            (f"haproxy:{tcp}", IPv4Address("TCP", "0.0.0.0", 80), "ws://0.0.0.0:80/"),
        ):
            self.assertEqual(self.announced(port, address), url)

    def test_oddPath(self) -> None:
        """
        A path that is no text does not keep the line from being written.
        """
        url = self.announced("unix:ws.sock", UNIXAddress(b"/run/\xff.sock"))
        self.assertTrue(url.encode("utf-8").startswith(b"ws+unix:/run/"))
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_secure(self) -> None:
        """
        The URL of a TLS port is secure.
        """
        identity = certify("localhost")
        path = Path(self.mktemp())
        path.write_bytes(
            identity.certificate.public_bytes(Encoding.PEM)
            + identity.key.private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
            )
        )
        for kind in ("ssl", "haproxy:ssl"):
            port = f"{kind}:0:privateKey={path}:certKey={path}"
            address = IPv4Address("TCP", "127.0.0.1", 443)
            self.assertEqual(self.announced(port, address), "wss://127.0.0.1:443/")

    def test_taken(self) -> None:
        """
        A port that is taken ends the process with a sentence, and no traceback.
        """
        error = CannotListenError("127.0.0.1", 8080, OSError("taken"))
        with self.assertRaises(SystemExit) as raised:
            self.failureResultOf(self.listen("tcp:8080", error)).raiseException()
        self.assertIn("8080", str(raised.exception))

    def test_otherFailures(self) -> None:
        """
        Any other failure is passed on.
        """
        self.failureResultOf(
            self.listen("tcp:8080", ZeroDivisionError()), ZeroDivisionError
        )


class PluginTests(SynchronousTestCase):
    """
    Tests of what twistd finds.
    """

    def test_maker(self) -> None:
        """
        twistd finds a command ``websocket``, which is this one.
        """
        maker = txwebsocket_plugin.websocket
        self.assertTrue(verifyObject(IServiceMaker, maker))
        self.assertTrue(IPlugin.providedBy(maker))
        self.assertEqual(maker.tapname, "websocket")
        self.assertIs(maker.options, Options)
        self.assertIs(maker.makeService, makeService)

    def test_found(self) -> None:
        """
        It is in the list of twistd's commands, with a sentence about it.
        """
        commands = {name: text for name, _, _, text in ServerOptions().subCommands}
        self.assertIn("WebSockets", commands["websocket"])
