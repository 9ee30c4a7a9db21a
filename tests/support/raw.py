# Part of txwebsocket. See LICENSE for details.
"""
Frames by the letter of RFC 6455, 5.2, lawful or not, without the code under test.
"""

MASK = b"\x37\xfa\x21\x3d"


def xor(data: bytes, key: bytes) -> bytes:
    """
    Mask or unmask, as RFC 6455, 5.3 puts it: octet i with octet i modulo 4.
    """
    return bytes(octet ^ key[i % 4] for i, octet in enumerate(data))


def rawLength(length: int, width: int | None = None) -> tuple[int, bytes]:
    """
    The seven bits of a length, and what extends them.

    :param width: bytes of the extended length, 0, 2 or 8; None takes the shortest form.
    """
    if width is None:
        width = 0 if length < 126 else 2 if length < 65536 else 8
    if not width:
        return length, b""
    return (126 if width == 2 else 127), length.to_bytes(width, "big")


def rawHead(
    opcode: int,
    length: int,
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes = b"",
    width: int | None = None,
) -> bytes:
    """
    The head of a frame.
    """
    short, extended = rawLength(length, width)
    first = (0x80 if fin else 0) | rsv | opcode
    return bytes([first, (0x80 if mask else 0) | short]) + extended + mask


def rawFrame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes = b"",
) -> bytes:
    """
    A whole frame.
    """
    head = rawHead(opcode, len(payload), fin=fin, rsv=rsv, mask=mask)
    return head + (xor(payload, mask) if mask else payload)
