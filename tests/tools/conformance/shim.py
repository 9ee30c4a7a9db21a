# Part of txwebsocket. See LICENSE for details.
"""
Where the converted suite, written for Python 2, meets a library for Python 3.

``convert.py`` puts this module into the suite as ``abts.shim``. A string of the suite
stays a ``str`` there, with a character for each octet, and becomes ``bytes`` on its way
out; what comes from the peer is ``bytes``.
"""

import binascii
from pathlib import Path
from typing import Any

_HERE = Path(__file__).resolve().parent


def octets(value: Any) -> Any:
    """
    A string as ``bytes``, and anything else as it is.
    """
    return value.encode("latin-1") if isinstance(value, str) else value


def hexOf(value: Any) -> str:
    """
    The digits of octets, or of a single one.
    """
    data = bytes([value]) if isinstance(value, int) else octets(value)
    return binascii.b2a_hex(data).decode("ascii")


def jsonable(value: Any) -> str:
    """
    Something to write into a report for what JSON does not know.
    """
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("utf-8", "backslashreplace")
    return repr(value)


def same(one: Any, other: Any) -> bool:
    """
    Are these events the same? A string and its octets are, other types never.
    """
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    one, other = octets(one), octets(other)
    return type(one) is type(other) and bool(one == other)


def dataPath(package: str, name: str) -> str:
    """
    Where a file is that comes with the suite.
    """
    return str(_HERE / name)


class Octets:
    """
    Stands before the protocols of the library, and lets them be given strings.
    """

    def sendFrame(
        self, opcode: int, payload: Any = b"", *args: Any, **more: Any
    ) -> Any:
        return super().sendFrame(opcode, octets(payload), *args, **more)

    def sendMessage(self, payload: Any, *args: Any, **more: Any) -> Any:
        return super().sendMessage(octets(payload), *args, **more)

    def sendMessageFrame(self, payload: Any, *args: Any, **more: Any) -> Any:
        return super().sendMessageFrame(octets(payload), *args, **more)

    def sendMessageFrameData(self, payload: Any, *args: Any, **more: Any) -> Any:
        return super().sendMessageFrameData(octets(payload), *args, **more)

    def sendCloseFrame(
        self, code: Any = None, reasonUtf8: Any = None, isReply: bool = False
    ) -> Any:
        return super().sendCloseFrame(code, octets(reasonUtf8), isReply)
