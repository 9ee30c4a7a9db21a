# Part of txwebsocket. See LICENSE for details.
"""
What a peer says: requests, frames and compressed data, right or wrong on purpose.

None of it is ours: an attack that was made with the library would share its mistakes.
"""

import struct
import zlib
from base64 import b64encode
from hashlib import sha1

FIN, RSV1 = 0x80, 0x40
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

KIB, MIB = 2**10, 2**20

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
"""
The key of RFC 6455, 1.3.
"""

# A mask of zeros is one, too, and has nothing to be computed.
_MASK = bytes(4)

_HEADERS = {
    "Host": "127.0.0.1",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}


def ask(start: str = "GET / HTTP/1.1", *lines: str, **changed: str | None) -> bytes:
    """
    The request of a client.

    :param lines: what comes behind the usual headers, as it is.
    :param changed: other values for the usual headers, their names without hyphens in
        lower case; None leaves one out.
    """
    kept = []
    for name, usual in _HEADERS.items():
        value = changed.pop(name.replace("-", "").lower(), usual)
        if value is not None:
            kept.append(f"{name}: {value}")
    if changed:
        raise ValueError(f"no such headers: {sorted(changed)}")
    return "\r\n".join([start, *kept, *lines, "", ""]).encode("latin-1")


COMPRESSED = ask("GET / HTTP/1.1", "Sec-WebSocket-Extensions: permessage-deflate")
"""
A request that offers compression.
"""


def answer(key: bytes, *lines: str) -> bytes:
    """
    The response of a server that accepts.
    """
    digest = sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    head = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {b64encode(digest).decode()}",
    ]
    return "\r\n".join([*head, *lines, "", ""]).encode("latin-1")


def head(first: int, length: int, isMasked: bool = True) -> bytes:
    """
    The head of a frame: its first byte, and a length in its shortest form.
    """
    bit = 0x80 if isMasked else 0
    mask = _MASK if isMasked else b""
    if length < 126:
        return bytes((first, bit | length)) + mask
    if length < 2**16:
        return struct.pack("!BBH", first, bit | 126, length) + mask
    return struct.pack("!BBQ", first, bit | 127, length) + mask


def frame(first: int, payload: bytes = b"", isMasked: bool = True) -> bytes:
    """
    A whole frame.
    """
    return head(first, len(payload), isMasked) + payload


def fragments(first: int, payload: bytes, parts: int, isMasked: bool = True) -> bytes:
    """
    A message in as many frames.

    :param first: the first byte of its first frame, without FIN.
    """
    step = -(-len(payload) // parts)
    pieces = []
    for at in range(0, len(payload), step):
        isLast = at + step >= len(payload)
        byte = (CONTINUATION if at else first) | (FIN if isLast else 0)
        pieces.append(frame(byte, payload[at : at + step], isMasked))
    return b"".join(pieces)


def deflated(data: bytes) -> bytes:
    """
    A message's payload as RFC 7692 has it.
    """
    deflater = zlib.compressobj(9, wbits=-15)
    whole = deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH)
    return whole.removesuffix(b"\0\0\xff\xff")


def bomb(mebibytes: int) -> bytes:
    """
    What becomes so many MiB of zeros, and takes a thousandth of that.
    """
    deflater = zlib.compressobj(9, wbits=-15)
    unit = deflater.compress(bytes(MIB)) + deflater.flush(zlib.Z_FULL_FLUSH)
    return unit * mebibytes


def emptyBlocks(size: int) -> bytes:
    """
    About so many bytes of compressed data that make nothing, and take long: block after
    block describes its codes, and ends.
    """
    # RFC 1951, 3.2.7: BFINAL 0, BTYPE 2; one code for lengths, one for distances; the
    # lengths of 18 codes. Of these 18 and 1 have one bit each.
    bits = "0" + "01" + "00000" + "00000" + "0111"
    bits += "".join("100" if code in (2, 17) else "000" for code in range(18))
    # 138 and 118 zeros; the end of the block and a distance have one bit; the end.
    bits += "1" + "1111111" + "1" + "1101011" + "0" + "0" + "0"
    # Eight blocks end where a byte does.
    unit = int((8 * bits)[::-1], 2).to_bytes(len(bits), "little")
    return unit * (size // len(unit)) + b"\0"
