# Part of txwebsocket. See LICENSE for details.
"""
The same bytes to us, to wsproto and to websockets: the same messages and the same
verdict, but where docs/design/fuzzing.rst says otherwise.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase
from websockets.protocol import OPEN, Protocol, Side
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, TextMessage

from tests.properties.strategies import streams
from tests.support.conversation import Conversation
from tests.support.raw import MASK, rawFrame, rawHead
from txwebsocket.wire.codes import Opcode, Role
from txwebsocket.wire.control import CloseReceived
from txwebsocket.wire.frames import ProtocolFailure

_LIMIT = 2**20
_NO_CODE = 1005


class Verdict(NamedTuple):
    """
    What was made of a stream.

    :ivar messages: those that were delivered.
    :ivar code: that of the close frame which ended it, the peer's or our own; None if
        it goes on.
    :ivar reason: the rule that was broken, in our words.
    """

    messages: list[str | bytes]
    code: int | None = None
    reason: str = ""


def ours(role: Role, stream: bytes) -> Verdict:
    """
    What we make of it.
    """
    messages: list[str | bytes] = []
    for event in Conversation(role, maxReceivedMessageSize=_LIMIT).receive(stream):
        if isinstance(event, ProtocolFailure):
            return Verdict(messages, int(event.code), event.reason)
        if isinstance(event, CloseReceived):
            return Verdict(messages, event.code or _NO_CODE)
        if isinstance(event, str | bytes):
            messages.append(event)
    return Verdict(messages)


def wsproto(role: Role, stream: bytes) -> Verdict:
    """
    What wsproto makes of it.
    """
    kind = ConnectionType.SERVER if role is Role.SERVER else ConnectionType.CLIENT
    connection = Connection(kind)
    connection.receive_data(stream)
    messages: list[str | bytes] = []
    parts: list[Any] = []
    for event in connection.events():
        if isinstance(event, CloseConnection):
            return Verdict(messages, int(event.code))
        if isinstance(event, TextMessage | BytesMessage):
            parts.append(event.data)
            if event.message_finished:
                messages.append(type(parts[0])().join(parts))
                parts.clear()
    return Verdict(messages)


def websockets(role: Role, stream: bytes) -> Verdict:
    """
    What websockets makes of it. Reading text is left to whoever joins its frames.
    """
    side = Side.SERVER if role is Role.SERVER else Side.CLIENT
    protocol = Protocol(side, state=OPEN, max_size=_LIMIT)
    protocol.receive_data(stream)
    messages: list[str | bytes] = []
    data, isText = b"", False
    for frame in protocol.events_received():
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONTINUATION):
            continue
        if frame.opcode != Opcode.CONTINUATION:
            data, isText = b"", frame.opcode == Opcode.TEXT
        data += frame.data
        if frame.fin:
            try:
                messages.append(data.decode() if isText else data)
            except UnicodeDecodeError:
                return Verdict(messages, 1007)
    if protocol.close_rcvd is not None:
        return Verdict(messages, int(protocol.close_rcvd.code))
    if protocol.parser_exc is not None and protocol.close_sent is not None:
        return Verdict(messages, int(protocol.close_sent.code))
    return Verdict(messages)


PEERS: list[Callable[[Role, bytes], Verdict]] = [wsproto, websockets]


def isKnown(our: Verdict, their: Verdict) -> bool:
    """
    Do we differ in one of the ways that are told in the manual?
    """
    if our.reason == "a length is not in its shortest form":
        return True
    # What we refuse at once they may refuse when more of it has come, or what follows.
    isSooner = our.code in (1002, 1007) and their.code in (None, 1002, 1007)
    isText = our.code == 1007
    isSame = their.code is None or isText
    return our.messages == their.messages and isSooner and isSame


class PeerProperties(SynchronousTestCase):
    """
    What we and others make of the same.
    """

    @given(st.data(), st.sampled_from(Role))
    def test_verdict(self, data: st.DataObject, role: Role) -> None:
        """
        Whatever a peer sends, we deliver what others deliver, and end it as they do.
        """
        stream = data.draw(streams(MASK if role is Role.SERVER else b""))
        our = ours(role, stream)
        for peer in PEERS:
            their = peer(role, stream)
            if not isKnown(our, their):
                self.assertEqual(our[:2], their[:2], peer.__name__)

    def test_closeCodes(self) -> None:
        """
        We take the close codes that others take.
        """
        for code in [*range(1014), *range(1015, 5010), 10000, 32768, 65535]:
            stream = rawFrame(Opcode.CLOSE, code.to_bytes(2, "big") + b"bye")
            our = ours(Role.CLIENT, stream)
            for peer in PEERS:
                found = peer(Role.CLIENT, stream)
                self.assertEqual(our[:2], found[:2], f"{peer.__name__}: {code}")

    def test_deviations(self) -> None:
        """
        Where we differ, it is as the manual has it.
        """
        for stream, *expected in (
            (rawHead(2, 1, width=2) + b"a", 1002, 1002, None),
            (rawHead(9, 1, width=8) + b"a", 1002, 1002, None),
            (b"\x43", 1002, None, None),
            (b"\x81\x03\xff", 1007, 1007, None),
            (b"\x81\x03\xed\xa0", 1007, None, None),
            (rawFrame(1, b"\xff", fin=False) + b"\x83\x00", 1007, 1007, 1002),
            (rawHead(2, 2**63, width=8), 1002, 1002, 1009),
            (rawHead(2, _LIMIT + 1), 1009, None, 1009),
            (rawFrame(8, (1014).to_bytes(2, "big")), 1014, 1002, 1014),
        ):
            found = [each(Role.CLIENT, stream).code for each in (ours, *PEERS)]
            self.assertEqual(found, expected, stream.hex())
