# Part of txwebsocket. See LICENSE for details.
"""
What the property-based tests draw.
"""

from itertools import pairwise

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tests.support.raw import rawFrame, rawHead
from txwebsocket.wire.codes import Opcode

TOKEN_CHARACTERS = (
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~"
)

masks = st.binary(min_size=4, max_size=4)
tokens = st.text(TOKEN_CHARACTERS, min_size=1, max_size=12)

texts = st.text(st.characters(codec="utf-8"), max_size=40)
"""
Text that UTF-8 has: no lone surrogates.
"""

payloads = st.binary(max_size=140) | texts.map(str.encode)
messages = texts | st.binary(max_size=200)


@st.composite
def cuts(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """
    Some way in which a network might deliver ``data``, empty chunks among it.
    """
    places = draw(st.lists(st.integers(0, len(data)), max_size=8).map(sorted))
    ends = [0, *places, len(data)]
    return [data[start:end] for start, end in pairwise(ends)]


@st.composite
def frames(draw: st.DrawFn, mask: bytes) -> bytes:
    """
    A frame: often lawful, always one that gets past some of the rules.
    """
    opcode = draw(st.sampled_from([*Opcode]) | st.integers(0, 15))
    payload = draw(payloads)
    fin = draw(st.booleans())
    rsv = draw(st.sampled_from([0, 0, 0, 0x40, 0x10]))
    if draw(st.integers(0, 7)):
        return rawFrame(opcode, payload, fin=fin, rsv=rsv, mask=mask)
    width = draw(st.sampled_from([2, 8]))
    head = rawHead(opcode, len(payload), fin=fin, rsv=rsv, mask=mask, width=width)
    return head + payload


def streams(mask: bytes) -> SearchStrategy[bytes]:
    """
    What a peer might send: frames of all kinds, with garbage between them or not.
    """
    piece = frames(mask) | frames(mask) | frames(mask) | st.binary(max_size=20)
    return st.lists(piece, max_size=8).map(b"".join)
