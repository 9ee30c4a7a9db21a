# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.client.resolver`.
"""

from __future__ import annotations

from socket import gaierror
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import (
    ConnectError,
    ConnectingCancelledError,
    ConnectionRefusedError,
    DNSLookupError,
)
from twisted.internet.interfaces import (
    IHostnameResolver,
    IReactorPluggableNameResolver,
    IResolutionReceiver,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory, Protocol
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.support.remote import ClientTestCase, Outcome
from txwebsocket.client.resolver import (
    LookingUpEndpoint,
    hostEndpoint,
    isAddress,
    lookUp,
)
from txwebsocket.connection.errors import ProxyFailed, ProxyRejected
from txwebsocket.handshake.httpconnect import ProxyRefusal

HOST = "a_b.example"


class AddressTests(ClientTestCase):
    """
    Tests of :func:`isAddress`.
    """

    def test_addresses(self) -> None:
        """
        Addresses of both kinds are told from names.
        """
        for host in ("192.0.2.1", "::1", "2001:db8::1", "fe80::1%eth0"):
            self.assertTrue(isAddress(host))
        for host in ("example.com", "1.example", "a_b"):
            self.assertFalse(isAddress(host))


class HostEndpointTests(ClientTestCase):
    """
    Tests of :func:`hostEndpoint`.
    """

    def connectTo(self, host: str, **options: Any) -> tuple[Outcome, Deferred[Any]]:
        """
        Begin to connect.
        """
        endpoint = hostEndpoint(self.reactor, host, 80, **options)
        connecting = endpoint.connect(Factory.forProtocol(Protocol))
        return Outcome(connecting), connecting

    def test_usual(self) -> None:
        """
        Twisted knows the way to most hosts.
        """
        endpoint = hostEndpoint(self.reactor, "example.com", 80)
        self.assertIsInstance(endpoint, HostnameEndpoint)

    def test_zone(self) -> None:
        """
        An address with a zone is connected to as it is, with the same options: the
        look-up of names would lose the zone.
        """
        endpoint = hostEndpoint(self.reactor, "fe80::1%eth0", 80)
        self.assertTrue(verifyObject(IStreamClientEndpoint, endpoint))
        outcome, _ = self.connectTo(
            "fe80::1%eth0", timeout=3, bindAddress=("2001:db8::9", 0)
        )
        self.assertEqual(self.reactor.nameResolver.asked, [])
        [attempt] = self.reactor.attempts
        self.assertEqual((attempt.host, attempt.port), ("fe80::1%eth0", 80))
        self.assertEqual(
            (attempt.timeout, attempt.bindAddress), (3, ("2001:db8::9", 0))
        )
        self.reactor.accept()
        self.assertIsInstance(outcome.results[0], Protocol)
        self.assertTrue(self.reactor.isIdle)

    def test_noZone(self) -> None:
        """
        A zone that this machine has not is an error of the connection, and says so.
        """

        def connectTCP(*args: Any, **more: Any) -> None:
            raise gaierror("Name or service not known")

        self.patch(self.reactor, "connectTCP", connectTCP)
        outcome, _ = self.connectTo("fe80::1%no-such")
        self.assertIn("%no-such", str(self.failed(outcome, ConnectError)))

    def test_address(self) -> None:
        """
        An address is connected to without a look-up, and with the same options.
        """
        for host in ("192.0.2.7", "2001:db8::7"):
            self.connectTo(host, timeout=3, bindAddress=("192.0.2.9", 0))
            attempt = self.reactor.attempts[-1]
            self.assertEqual((attempt.host, attempt.port), (host, 80))
            self.assertEqual(attempt.timeout, 3)
            self.assertEqual(attempt.bindAddress, ("192.0.2.9", 0))
        self.assertEqual(self.reactor.nameResolver.asked, [])

    def test_underscore(self) -> None:
        """
        A host whose name has an underscore is looked up by that name, and reached with
        the same options.
        """
        endpoint = hostEndpoint(self.reactor, HOST, 80)
        self.assertTrue(verifyObject(IStreamClientEndpoint, endpoint))
        outcome, _ = self.connectTo(HOST, timeout=3, bindAddress=("192.0.2.9", 0))
        self.assertEqual(self.reactor.nameResolver.asked, [HOST])
        [attempt] = self.reactor.attempts
        self.assertEqual((attempt.host, attempt.port), ("192.0.2.1", 80))
        self.assertEqual((attempt.timeout, attempt.bindAddress), (3, ("192.0.2.9", 0)))
        self.reactor.accept()
        self.assertIsInstance(outcome.results[0], Protocol)
        self.assertTrue(self.reactor.isIdle)

    def test_encoded(self) -> None:
        """
        So is one that is encoded, whether or not Twisted could decode it.
        """
        for host in ("xn--ls8h.example", "xn--bcher-kva.example", "a_.xn--ls8h"):
            outcome, _ = self.connectTo(host)
            self.assertEqual(self.reactor.nameResolver.asked[-1], host)
            self.reactor.accept()
            self.assertIsInstance(outcome.results[0], Protocol)

    def test_underscoreAddresses(self) -> None:
        """
        All its addresses are tried.
        """
        self.reactor.nameResolver.addresses[HOST] = ["2001:db8::1", "192.0.2.1"]
        outcome, _ = self.connectTo(HOST)
        self.reactor.advance(0.3)
        first, second = self.reactor.attempts
        self.assertEqual((first.host, second.host), ("2001:db8::1", "192.0.2.1"))
        for attempt in (first, second):
            attempt.fail(ConnectionRefusedError())
        self.reactor.advance(1)
        self.failed(outcome, ConnectionRefusedError)

    def test_underscoreUnknown(self) -> None:
        """
        If nobody knows it, the error has its name.
        """
        self.reactor.nameResolver.addresses[HOST] = []
        outcome, _ = self.connectTo(HOST)
        self.assertIn(HOST, str(self.failed(outcome, DNSLookupError)))

    def test_underscoreReactor(self) -> None:
        """
        What Twisted's endpoint is given in place of the reactor does as one.
        """
        endpoint: Any = hostEndpoint(self.reactor, HOST, 80)
        reactor = endpoint._endpoint._reactor
        self.assertTrue(IReactorPluggableNameResolver.providedBy(reactor))
        self.assertTrue(verifyObject(IHostnameResolver, reactor.nameResolver))
        self.assertEqual(reactor.seconds(), self.reactor.seconds())

    def test_underscoreCancelled(self) -> None:
        """
        Cancelling ends the look-up, or the attempt.
        """
        self.reactor.nameResolver.isSilent = True
        outcome, connecting = self.connectTo(HOST)
        connecting.cancel()
        self.failed(outcome, DNSLookupError)
        self.reactor.nameResolver.isSilent = False
        outcome, connecting = self.connectTo(HOST)
        connecting.cancel()
        self.failed(outcome, ConnectingCancelledError)
        self.assertTrue(self.reactor.attempts[0].isOver)
        self.assertTrue(self.reactor.isIdle)


class LookUpTests(ClientTestCase):
    """
    Tests of :func:`lookUp`.
    """

    def test_found(self) -> None:
        """
        It finds the addresses, in their order.
        """
        addresses = ["2001:db8::1", "192.0.2.1"]
        self.reactor.nameResolver.addresses["h"] = addresses
        self.assertEqual(self.successResultOf(lookUp(self.reactor, "h")), addresses)

    def test_none(self) -> None:
        """
        It fails if there is none.
        """
        self.reactor.nameResolver.addresses["h.example"] = []
        error = self.failureResultOf(lookUp(self.reactor, "h.example"), DNSLookupError)
        self.assertIn("h.example", str(error.value))

    def test_cancelled(self) -> None:
        """
        Cancelling fails in the same way; what comes later is for nobody.
        """
        receivers: list[Any] = []
        self.patch(
            self.reactor.nameResolver,
            "resolveHostName",
            lambda receiver, *_: receivers.append(receiver),
        )
        found = lookUp(self.reactor, "h")
        found.cancel()
        self.failureResultOf(found, DNSLookupError)
        self.assertTrue(verifyObject(IResolutionReceiver, receivers[0]))
        receivers[0].resolutionComplete()
        self.assertEqual(found.result, None)


@implementer(IStreamClientEndpoint)
class Answer:
    """
    An endpoint with a result.
    """

    def __init__(self, result: Any) -> None:
        self.result = result

    def connect(self, protocolFactory: Any) -> Deferred[Any]:
        """
        Give it.
        """
        if isinstance(self.result, Exception):
            return fail(self.result)
        if isinstance(self.result, Deferred):
            return self.result
        return succeed(self.result)


class LookingUpEndpointTests(ClientTestCase):
    """
    Tests of :class:`LookingUpEndpoint`.
    """

    def lead(self, **results: Any) -> tuple[Outcome, Deferred[Any]]:
        """
        Connect to a host with these addresses; each has a result.
        """
        self.asked: list[str] = []
        self.reactor.nameResolver.addresses["h"] = list(results)

        def lead(address: str) -> Answer:
            self.asked.append(address)
            return Answer(results[address])

        endpoint = LookingUpEndpoint(self.reactor, "h", lead)
        self.assertTrue(verifyObject(IStreamClientEndpoint, endpoint))
        connecting = endpoint.connect(Factory.forProtocol(Protocol))
        return Outcome(connecting), connecting

    def test_first(self) -> None:
        """
        It leads to the first address, if that is possible.
        """
        outcome, _ = self.lead(a="there", b="elsewhere")
        self.assertEqual(outcome.results, ["there"])
        self.assertEqual(self.asked, ["a"])

    def test_next(self) -> None:
        """
        If the proxy does not lead there, it is asked for the next.
        """
        refused = ProxyRejected("p", ProxyRefusal(3, "network unreachable"))
        outcome, _ = self.lead(a=refused, b="there")
        self.assertEqual(outcome.results, ["there"])
        self.assertEqual(self.asked, ["a", "b"])

    def test_last(self) -> None:
        """
        The last error is the one that is told.
        """
        first = ProxyRejected("p", ProxyRefusal(3, "network unreachable"))
        second = ProxyRejected("p", ProxyRefusal(5, "connection refused"))
        outcome, _ = self.lead(a=first, b=second)
        self.assertIs(self.failed(outcome, ProxyRejected), second)

    def test_notAgain(self) -> None:
        """
        A proxy that can't be reached, or does not accept who we are, is asked once.
        """
        for error in (
            ProxyFailed("p", ConnectionRefusedError()),
            ProxyRejected("p", ProxyRefusal(None, "the user or the password is wrong")),
        ):
            outcome, _ = self.lead(a=error, b="there")
            self.assertIs(self.failed(outcome, type(error)), error)
            self.assertEqual(self.asked, ["a"])

    def test_unknown(self) -> None:
        """
        A name that nobody knows.
        """
        outcome, _ = self.lead()
        self.failed(outcome, DNSLookupError)

    def test_cancelled(self) -> None:
        """
        Cancelling ends the look-up, or what came after it.
        """
        self.reactor.nameResolver.isSilent = True
        outcome, connecting = self.lead(a="there")
        connecting.cancel()
        self.failed(outcome, DNSLookupError)
        self.reactor.nameResolver.isSilent = False
        waiting: list[str] = []
        inner: Deferred[Any] = Deferred(lambda _: waiting.append("cancelled"))
        outcome, connecting = self.lead(a=inner, b="there")
        connecting.cancel()
        self.assertEqual(waiting, ["cancelled"])
        self.assertEqual(self.asked, ["a"])
        self.assertEqual(len(outcome.results), 1)
