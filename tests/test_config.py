# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.config` and :mod:`txwebsocket.core.config`.
"""

from dataclasses import FrozenInstanceError, fields, replace
from datetime import timedelta
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.support.backwards import Backwards
from txwebsocket.config import ClientConfig, ServerConfig, firstOffered
from txwebsocket.handshake.origins import INSECURE_ANY_ORIGIN, OriginPolicy
from txwebsocket.wire.config import BufferPolicy, ConnectionConfig, messageLimit
from txwebsocket.wire.deflate import Deflate

KINDS = (ConnectionConfig, ServerConfig, ClientConfig)

SIZES = (
    "maxReceivedMessageSize",
    "fragmentationThreshold",
    "highWaterMark",
    "maxBufferedBytes",
)
FLAGS = (
    "assembleFragments",
    "streamMessages",
    "fragmentOutgoingMessages",
    "keepalive",
    "dropConnectionOnKeepaliveTimeout",
    "useNativeKeepalive",
    "emptyPings",
    "disableNagleAlgorithm",
    "deliverAfterClose",
)
SERVER_FLAGS = ("autoAcceptConnections", "parseCookies", "parseExtensions")
COUNTS = ("maxConnections", "maxConnectionsPerAddress", "maxPendingRequests")
OTHERS = (
    "maxReceivedFrameSize",
    "maxLifetime",
    "lifetimeJitter",
    "extensions",
    "concurrentMessages",
    "lowWaterMark",
    "whenBufferFull",
)
DURATIONS = (
    "keepaliveInterval",
    "keepaliveGracePeriod",
    "openTimeout",
    "closeTimeout",
    "maxCloseTime",
    "writeTimeout",
)


class OptionsTestCase(SynchronousTestCase):
    """
    What tests of options need.
    """

    def assertAccepts(self, kind: type, name: str, *values: Any) -> None:
        """
        The option takes these values.
        """
        for value in values:
            taken = getattr(kind(**{name: value}), name)
            isList = isinstance(value, list | set)
            self.assertEqual(taken, tuple(value) if isList else value)

    def assertRefuses(self, kind: type, name: str, *values: Any) -> None:
        """
        The option takes none of these; the error names the option, what it accepts and
        what it was given.
        """
        for value in values:
            error = self.assertRaises(ValueError, kind, **{name: value})
            self.assertTrue(str(error).startswith(f"{name} must be "), str(error))
            self.assertTrue(str(error).endswith(f", not {value!r}"), str(error))


class ConnectionConfigTests(OptionsTestCase):
    """
    Tests of the options that both roles have.
    """

    def test_covered(self) -> None:
        """
        No option is left out below.
        """
        names = {option.name for option in fields(ConnectionConfig)}
        self.assertEqual(names, {*SIZES, *FLAGS, *DURATIONS, *OTHERS})

    def test_sizes(self) -> None:
        """
        A size is a whole number of bytes.
        """
        for kind in KINDS:
            for name in SIZES:
                self.assertAccepts(kind, name, 1, 2**40)
                self.assertRefuses(kind, name, 0, -1, 1.0, 1.5, "1", b"1", True, None)

    def test_frameSize(self) -> None:
        """
        The size of a frame may be left to that of its message.
        """
        for kind in KINDS:
            self.assertAccepts(kind, "maxReceivedFrameSize", 1, 2**40, None)
            self.assertRefuses(kind, "maxReceivedFrameSize", 0, -1, 1.5, "1", False)

    def test_messageSize(self) -> None:
        """
        Messages may have any size if none is held as a whole, and only then.
        """
        for kind in KINDS:
            config = kind(maxReceivedMessageSize=None, streamMessages=True)
            self.assertIsNone(config.maxReceivedMessageSize)
            self.assertGreater(messageLimit(config), 2**60)
            self.assertEqual(messageLimit(kind(maxReceivedMessageSize=5)), 5)
            error = self.assertRaises(ValueError, kind, maxReceivedMessageSize=None)
            self.assertIn("streamMessages", str(error))

    def test_lowWaterMark(self) -> None:
        """
        The low mark is below the high one, and follows it if it is not given.
        """
        for kind in KINDS:
            self.assertAccepts(kind, "lowWaterMark", 0, 1, 65535, None)
            self.assertRefuses(kind, "lowWaterMark", -1, 1.0, "1", True)
            kind(highWaterMark=1)
            for low, high in ((65536, 65536), (100, 10)):
                error = self.assertRaises(
                    ValueError, kind, lowWaterMark=low, highWaterMark=high
                )
                self.assertEqual(
                    str(error),
                    f"lowWaterMark must be below highWaterMark, {high}, not {low}",
                )

    def test_concurrentMessages(self) -> None:
        """
        At least one message is dealt with at a time.
        """
        for kind in KINDS:
            self.assertAccepts(kind, "concurrentMessages", 1, 100)
            self.assertRefuses(kind, "concurrentMessages", 0, -1, 1.0, None, True, "1")

    def test_whenBufferFull(self) -> None:
        """
        The policy is one of those there are, not its name.
        """
        for kind in KINDS:
            self.assertAccepts(kind, "whenBufferFull", *BufferPolicy)
            self.assertRefuses(kind, "whenBufferFull", "DROP", None, 1008, False)

    def test_flags(self) -> None:
        """
        A flag is true or false, nothing that merely looks so.
        """
        for kind in KINDS:
            for name in FLAGS:
                self.assertAccepts(kind, name, True, False)
                self.assertRefuses(kind, name, 0, 1, None, "no", [])

    def test_durations(self) -> None:
        """
        A duration is a number of seconds, more than none and less than for ever.
        """
        wrong = (0, 0.0, -1, float("inf"), float("nan"), "1", True, None, timedelta(1))
        for kind in KINDS:
            for name in DURATIONS:
                self.assertAccepts(kind, name, 1, 0.001, 10.0**9)
                self.assertRefuses(kind, name, *wrong)

    def test_lifetime(self) -> None:
        """
        A connection may last for some time, or for ever, which is the default.
        """
        wrong = (0, 0.0, -1, float("inf"), float("nan"), "1", True, timedelta(1))
        for kind in KINDS:
            self.assertIsNone(kind().maxLifetime)
            self.assertAccepts(kind, "maxLifetime", None, 1, 0.001, 10.0**9)
            self.assertRefuses(kind, "maxLifetime", *wrong)

    def test_lifetimeJitter(self) -> None:
        """
        How much shorter it may be is a part of it, from none to all.
        """
        wrong = (-0.1, 1.1, 50, float("inf"), float("nan"), "0.1", True, None)
        for kind in KINDS:
            self.assertEqual(kind().lifetimeJitter, 0.1)
            self.assertAccepts(kind, "lifetimeJitter", 0, 0.5, 1)
            self.assertRefuses(kind, "lifetimeJitter", *wrong)

    def test_extensions(self) -> None:
        """
        Extensions are objects that know how to agree on themselves, not their classes.
        """
        for kind in KINDS:
            self.assertAccepts(kind, "extensions", (), [Deflate()], (Backwards(),))
            wrong = (Deflate(), [Deflate], ["permessage-deflate"], [None], "x", None)
            self.assertRefuses(kind, "extensions", *wrong)

    def test_extensionsOfFrames(self) -> None:
        """
        Extensions change messages, so that there have to be messages.
        """
        for kind in KINDS:
            error = self.assertRaises(
                ValueError, kind, extensions=[Deflate()], assembleFragments=False
            )
            self.assertIn("assembleFragments", str(error))

    def test_streamMessages(self) -> None:
        """
        Who takes frames does not take messages in pieces, too.
        """
        for kind in KINDS:
            error = self.assertRaises(
                ValueError, kind, streamMessages=True, assembleFragments=False
            )
            self.assertIn("streamMessages", str(error))

    def test_unknown(self) -> None:
        """
        An option that doesn't exist is refused by its name.
        """
        for kind in KINDS:
            error = self.assertRaises(TypeError, kind, maxRecievedFrameSize=1)
            self.assertIn("maxRecievedFrameSize", str(error))

    def test_byName(self) -> None:
        """
        Options are given by name only.
        """
        for kind in KINDS:
            self.assertRaises(TypeError, kind, 1024)

    def test_frozen(self) -> None:
        """
        Options can't be changed under a connection that uses them.
        """
        for kind in KINDS:
            config = kind()
            for option in fields(kind):
                value = getattr(config, option.name)
                self.assertRaises(
                    FrozenInstanceError, setattr, config, option.name, value
                )

    def test_varied(self) -> None:
        """
        A variant is made with dataclasses.replace, and checked like the first.
        """
        config = ServerConfig(closeTimeout=1.0)
        varied = replace(config, keepalive=False)
        self.assertEqual((varied.closeTimeout, varied.keepalive), (1.0, False))
        self.assertTrue(config.keepalive)
        self.assertRaises(ValueError, replace, config, closeTimeout=0)

    def test_equal(self) -> None:
        """
        The same choices are the same options.
        """
        for kind in KINDS:
            self.assertEqual(kind(keepalive=False), kind(keepalive=False))
            self.assertNotEqual(kind(keepalive=False), kind())

    def test_defaults(self) -> None:
        """
        The defaults are those the manual promises.
        """
        for kind in KINDS:
            config = kind()
            self.assertIsNone(config.maxReceivedFrameSize)
            self.assertTrue(config.assembleFragments)
            self.assertFalse(config.fragmentOutgoingMessages)
            self.assertEqual(config.fragmentationThreshold, 16 * 1024)
            self.assertEqual(config.maxBufferedBytes, 16 * 1024**2)
            self.assertIs(config.whenBufferFull, BufferPolicy.CLOSE)
            self.assertEqual(config.highWaterMark, 64 * 1024)
            self.assertIsNone(config.lowWaterMark)
            self.assertEqual(config.concurrentMessages, 1)
            self.assertTrue(config.keepalive)
            self.assertFalse(config.useNativeKeepalive)
            self.assertEqual(config.keepaliveInterval, 20)
            self.assertTrue(config.dropConnectionOnKeepaliveTimeout)
            self.assertEqual(config.keepaliveGracePeriod, 10)
            self.assertEqual(config.openTimeout, 10)
            self.assertEqual(config.closeTimeout, 5)
            self.assertEqual(config.writeTimeout, 30)
            self.assertTrue(config.disableNagleAlgorithm)
            self.assertEqual(tuple(config.extensions), ())

    def test_messageSizes(self) -> None:
        """
        A client takes more than a server, as it chose whom to talk to.
        """
        self.assertEqual(ServerConfig().maxReceivedMessageSize, 1024**2)
        self.assertEqual(ClientConfig().maxReceivedMessageSize, 8 * 1024**2)


class ServerConfigTests(OptionsTestCase):
    """
    Tests of the options that only a server has.
    """

    def test_covered(self) -> None:
        """
        No option is left out below.
        """
        own = {option.name for option in fields(ServerConfig)}
        own -= {option.name for option in fields(ConnectionConfig)}
        lists = {"allowedHosts", "origins", "subprotocols", "trustedProxies"}
        others = {"forwardedHeader", "ipv6PrefixLength"}
        self.assertEqual(own, {*lists, *others, *SERVER_FLAGS, *COUNTS})

    def test_prefixLength(self) -> None:
        """
        A prefix of an IPv6 address has from 1 to 128 bits.
        """
        self.assertEqual(ServerConfig().ipv6PrefixLength, 64)
        self.assertAccepts(ServerConfig, "ipv6PrefixLength", 1, 48, 64, 128)
        wrong = (0, 129, -1, 64.0, "64", True, None)
        self.assertRefuses(ServerConfig, "ipv6PrefixLength", *wrong)

    def test_forwardedHeader(self) -> None:
        """
        Proxies tell addresses in one header, whose name is given.
        """
        self.assertEqual(ServerConfig().forwardedHeader, "X-Forwarded-For")
        self.assertAccepts(ServerConfig, "forwardedHeader", "Forwarded", "x-real-ip")
        wrong = ("", "a b", "X:", None, b"Forwarded", ["Forwarded"], "\xe9")
        self.assertRefuses(ServerConfig, "forwardedHeader", *wrong)

    def test_counts(self) -> None:
        """
        A limit of how many is a whole number, or None for no limit.
        """
        for name in COUNTS:
            self.assertAccepts(ServerConfig, name, None, 1, 10**6)
            self.assertRefuses(ServerConfig, name, 0, -1, 1.0, True, "1")

    def test_serverFlags(self) -> None:
        """
        A flag is True or False, and nothing that may mean either.
        """
        for name in SERVER_FLAGS:
            self.assertAccepts(ServerConfig, name, True, False)
            self.assertRefuses(ServerConfig, name, 0, 1, None, "no")

    def test_defaults(self) -> None:
        """
        The defaults are those the manual promises.
        """
        config = ServerConfig()
        self.assertIsNone(config.allowedHosts)
        self.assertEqual(tuple(config.origins), ())
        self.assertEqual(tuple(config.subprotocols), ())
        self.assertEqual(tuple(config.trustedProxies), ())
        self.assertIsNone(config.maxConnections)
        self.assertIsNone(config.maxConnectionsPerAddress)
        self.assertEqual(config.maxPendingRequests, 1000)
        self.assertFalse(config.autoAcceptConnections)
        self.assertTrue(config.parseCookies)
        self.assertTrue(config.parseExtensions)

    def test_origins(self) -> None:
        """
        Origins are exact ones, patterns, any; or a callable that decides.
        """
        self.assertAccepts(
            ServerConfig,
            "origins",
            (),
            ["https://example.com", "https://*.example.com:8443"],
            {"http://localhost:3000"},
            ["file://", "null", "MyDevice", "https://example.com/path"],
            [INSECURE_ANY_ORIGIN],
            bool,
        )

    def test_otherOrigins(self) -> None:
        """
        Whatever else is refused, and one string is no list.
        """
        self.assertRefuses(
            ServerConfig,
            "origins",
            ["*.example.com"],
            ["https://example.com", "https://*.example.com/path"],
            [""],
            [None],
            [b"https://example.com"],
            "https://example.com",
            b"https://example.com",
            None,
            True,
            1,
        )

    def test_originsOnce(self) -> None:
        """
        Origins that can be looked at only once are still there when they are needed.
        """
        config = ServerConfig(origins=iter(["https://example.com"]))
        policy = OriginPolicy(config.origins)
        self.assertTrue(policy.permits("https://example.com", "h"))

    def test_hosts(self) -> None:
        """
        Hosts are names, patterns, addresses and networks, any; or a callable decides.
        """
        self.assertAccepts(
            ServerConfig,
            "allowedHosts",
            None,
            (),
            ["localhost", "*.example.com", "127.0.0.1", "::1", "[::1]", "0.0.0.0/0"],
            {"h"},
            ["*"],
            bool,
        )

    def test_otherHosts(self) -> None:
        """
        Whatever else is refused, and one string is no list.
        """
        wrong = (["h:80"], ["http://h"], ["h", ""], [None], [b"h"], "h", b"h", True, 1)
        self.assertRefuses(ServerConfig, "allowedHosts", *wrong)

    def test_subprotocols(self) -> None:
        """
        Subprotocols are names, in their order, or a callable that chooses.
        """
        lists = ((), ("b", "a"), ["chat.v1"])
        self.assertAccepts(ServerConfig, "subprotocols", *lists, max)

    def test_listsKept(self) -> None:
        """
        Changing a list afterwards changes neither who may connect nor what is spoken.
        """
        origins, subprotocols = ["https://example.com"], ["chat"]
        config = ServerConfig(origins=origins, subprotocols=subprotocols)
        origins.append(INSECURE_ANY_ORIGIN)
        subprotocols.append("two words")
        self.assertEqual(list(config.origins), ["https://example.com"])
        self.assertEqual(list(config.subprotocols), ["chat"])

    def test_otherSubprotocols(self) -> None:
        """
        Whatever isn't the name of a subprotocol is refused, and one string is no list.
        """
        wrong = (["a b"], [""], ["a", b"b"], [None], "chat", b"chat", None, 1)
        self.assertRefuses(ServerConfig, "subprotocols", *wrong)

    def test_proxies(self) -> None:
        """
        Proxies that are trusted are addresses or networks.
        """
        good = ([], ["127.0.0.1"], ["10.0.0.0/8", "fd00::/8"], ("::1",), ["unix"])
        self.assertAccepts(ServerConfig, "trustedProxies", *good)

    def test_otherProxies(self) -> None:
        """
        Whatever isn't written as one is refused, and one string is no list.
        """
        self.assertRefuses(
            ServerConfig,
            "trustedProxies",
            ["localhost"],
            ["10.0.0.1/8"],
            ["10.0.0.0/33"],
            [""],
            [None],
            [1],
            [b"\x7f\x00\x00\x01"],
            "127.0.0.1",
            b"\x7f\x00\x00\x01",
            None,
            1,
        )


class FirstOfferedTests(SynchronousTestCase):
    """
    Tests of :func:`firstOffered`.
    """

    def test_choice(self) -> None:
        """
        It chooses the client's favourite, and none where none is offered.
        """
        self.assertEqual(firstOffered(("b", "a")), "b")
        self.assertIsNone(firstOffered(()))
        config = ServerConfig(subprotocols=firstOffered)
        self.assertIs(config.subprotocols, firstOffered)


class ClientConfigTests(OptionsTestCase):
    """
    Tests of the options that only a client has.
    """

    def test_covered(self) -> None:
        """
        No option is left out below.
        """
        own = {option.name for option in fields(ClientConfig)}
        own -= {option.name for option in fields(ConnectionConfig)}
        names = {"webSocketVersion", "maxRedirects", "requireSubprotocol"}
        self.assertEqual(own, names)

    def test_requireSubprotocol(self) -> None:
        """
        A server has to choose one of the subprotocols, unless it is said otherwise.
        """
        self.assertAccepts(ClientConfig, "requireSubprotocol", True, False)
        self.assertRefuses(ClientConfig, "requireSubprotocol", None, 1, "yes")
        self.assertIs(ClientConfig().requireSubprotocol, True)

    def test_version(self) -> None:
        """
        A client speaks version 13, or 8 if it is told to.
        """
        self.assertAccepts(ClientConfig, "webSocketVersion", 13, 8)
        self.assertEqual(ClientConfig().webSocketVersion, 13)

    def test_otherVersions(self) -> None:
        """
        It speaks no other, and a version is a whole number.
        """
        wrong = (0, 7, 14, True, "13", None, (13,), 13.0)
        self.assertRefuses(ClientConfig, "webSocketVersion", *wrong)

    def test_redirects(self) -> None:
        """
        Redirects are not followed unless it is said how many.
        """
        self.assertAccepts(ClientConfig, "maxRedirects", 0, 1, 5, 1000)
        self.assertEqual(ClientConfig().maxRedirects, 0)
        self.assertRefuses(ClientConfig, "maxRedirects", -1, True, None, "5", 1.0)
