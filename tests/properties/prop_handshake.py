# Part of txwebsocket. See LICENSE for details.
"""
Properties of :mod:`txwebsocket.handshake.opening` and :mod:`txwebsocket.core.grammar`.
"""

from base64 import b64encode
from collections.abc import Callable, Iterable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.properties.strategies import tokens
from txwebsocket.handshake.opening import (
    ClientHandshake,
    checkHeaders,
    checkProtocols,
    formatAcceptResponse,
    readRequest,
)
from txwebsocket.handshake.response import ResponseReader
from txwebsocket.wire.errors import UpgradeRefused
from txwebsocket.wire.grammar import (
    ExtensionHeader,
    formatExtensions,
    parseExtensions,
    parseTokens,
)

keys = st.binary(min_size=16, max_size=16).map(b64encode).map(bytes.decode)
protocols = st.lists(tokens, unique=True, max_size=4).map(tuple)
pieces = st.sampled_from(
    [
        b"websocket",
        b"Upgrade",
        b"13",
        b"8",
        b"dGhlIHNhbXBsZSBub25jZQ==",
        b"permessage-deflate",
        b'"',
        b"\\",
        b";",
        b",",
        b"=",
        b" ",
        b"\t",
    ]
)
values = st.lists(pieces | st.binary(max_size=3), max_size=6).map(b"".join)
names = st.sampled_from(
    [
        b"Host",
        b"Upgrade",
        b"Connection",
        b"Origin",
        b"Sec-WebSocket-Key",
        b"Sec-WebSocket-Version",
        b"Sec-WebSocket-Protocol",
        b"Sec-WebSocket-Extensions",
        b"Content-Length",
    ]
)
lawful = st.tuples(
    st.just((b"Host", b"h")),
    st.just((b"Upgrade", b"websocket")),
    st.just((b"Connection", b"Upgrade")),
    st.just((b"Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ==")),
    st.sampled_from([b"13", b"8"]).map(lambda n: (b"Sec-WebSocket-Version", n)),
).map(list)
anyText = st.text(max_size=10) | st.sampled_from(["a\r\nB: c", "a\n", " a", "a ", "ä"])


def isAccepted(check: Callable[[Any], None], values: Iterable[Any]) -> bool:
    """
    Does this check let it pass?
    """
    try:
        check(values)
    except ValueError:
        return False
    return True


class HandshakeProperties(SynchronousTestCase):
    """
    What holds for handshakes whatever they are.
    """

    @given(keys, protocols, st.sampled_from([13, 8]), st.data())
    def test_agreed(
        self, key: str, offered: tuple[str, ...], version: int, data: st.DataObject
    ) -> None:
        """
        Client and server understand each other.
        """
        client = ClientHandshake(
            host="h", target="/", key=key, protocols=offered, version=version
        )
        _, *lines = client.request().split(b"\r\n")[:-2]
        offer = readRequest(
            b"GET", b"/", b"HTTP/1.1", [tuple(line.split(b": ", 1)) for line in lines]
        )
        self.assertEqual((offer.protocols, offer.version), (offered, version))
        chosen = data.draw(st.sampled_from(offered)) if offered else None
        head = ResponseReader().feed(formatAcceptResponse(offer, chosen))
        self.assertEqual(client.agree(head), (chosen, []))

    @given(lawful, st.lists(st.tuples(names, values), max_size=3), st.data())
    def test_garbage(
        self,
        headers: list[tuple[bytes, bytes]],
        more: list[tuple[bytes, bytes]],
        data: st.DataObject,
    ) -> None:
        """
        A request is an offer or refused with an answer that HTTP has, nothing else.
        """
        if data.draw(st.booleans()):
            replaced = {name for name, _ in more}
            headers = [header for header in headers if header[0] not in replaced]
        try:
            offer = readRequest(b"GET", b"/", b"HTTP/1.1", headers + more)
        except UpgradeRefused as error:
            self.assertIn(error.status, (400, 403, 426))
        else:
            self.assertIn(offer.version, (13, 8))
            self.assertTrue(isAccepted(checkProtocols, offer.protocols))


class HeaderProperties(SynchronousTestCase):
    """
    What holds for headers whatever is put into them.
    """

    @given(st.lists(st.tuples(tokens | anyText, anyText), max_size=4), keys)
    def test_added(self, headers: list[tuple[str, str]], key: str) -> None:
        """
        Headers that may be added are read back just as they were given.
        """
        if not isAccepted(checkHeaders, headers):
            return
        client = ClientHandshake(host="h", target="/", key=key, headers=tuple(headers))
        found = client.request().replace(b"GET / HTTP/1.1", b"HTTP/1.1 200")
        head = ResponseReader().feed(found)
        expected = [(n.encode(), v.encode("latin-1")) for n, v in headers]
        self.assertEqual(list(head.headers[5:]), expected)

    @given(st.lists(st.tuples(tokens, st.lists(st.tuples(tokens, st.none() | tokens)))))
    def test_extensions(self, wanted: list[Any]) -> None:
        """
        Extensions that were written are read back.
        """
        extensions = [
            ExtensionHeader(name, tuple(parameters)) for name, parameters in wanted
        ]
        header = formatExtensions(extensions).encode("ascii")
        self.assertEqual(parseExtensions([header]), extensions)

    @given(st.lists(values, max_size=3))
    def test_lists(self, lines: list[bytes]) -> None:
        """
        Whatever stands in a list, it is read or refused with a sentence.
        """
        for parse in (parseTokens, parseExtensions):
            try:
                found = parse(lines)
            except ValueError as error:
                self.assertIn(" ", str(error))
            else:
                self.assertEqual(parse([b" , ".join(lines)]), found)
