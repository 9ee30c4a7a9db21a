# -*- test-case-name: tests.wire.test_masking -*-
# Part of txwebsocket. See LICENSE for details.
"""
Masking, as every frame from a client has it (RFC 6455, 5.3).
"""

noMask = bytes
"""
Gives the mask of a server's frames, which has no bytes: it masks nothing.
"""


def applyMask(data: bytes | memoryview, key: bytes, offset: int = 0) -> bytes:
    """
    XOR ``data`` with the repeating four-byte ``key``; the same call undoes it.

    :param offset: how many bytes of the payload came before ``data``.
    """
    size = len(data)
    turn = offset & 3
    stream = ((key[turn:] + key[:turn]) * (size // 4 + 1))[:size]
    mixed = int.from_bytes(data, "little") ^ int.from_bytes(stream, "little")
    return mixed.to_bytes(size, "little")
