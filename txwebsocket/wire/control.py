# -*- test-case-name: tests.wire.test_control -*-
# Part of txwebsocket. See LICENSE for details.
"""
What control frames carry (RFC 6455, 5.5).
"""

from typing import NamedTuple

from txwebsocket.wire.codes import CloseCode, isSendable
from txwebsocket.wire.frames import ProtocolFailure

MAX_CONTROL_PAYLOAD = 125
"""
Bytes of payload in a control frame (RFC 6455, 5.5).
"""

MAX_REASON = MAX_CONTROL_PAYLOAD - 2
"""
Bytes of a close frame's reason in UTF-8.
"""


class PingReceived(NamedTuple):
    """
    The peer wants to know whether we are there; a pong answers.
    """

    payload: bytes


class PongReceived(NamedTuple):
    """
    The peer answered a ping, or sent a pong of its own accord.
    """

    payload: bytes


class CloseReceived(NamedTuple):
    """
    The peer closes; our close frame is in the outbox.
    """

    code: int | None
    reason: str


def checkControlPayload(payload: bytes) -> bytes:
    """
    Return the payload of a ping or pong if it is one.

    :raises ValueError: if it is too long.
    """
    if len(payload) > MAX_CONTROL_PAYLOAD:
        raise ValueError(
            f"the payload of a ping or pong has at most {MAX_CONTROL_PAYLOAD} bytes, "
            f"not {len(payload)}"
        )
    return bytes(payload)


def checkClose(code: int | None, reason: str) -> None:
    """
    May a close frame be sent with these?

    :raises ValueError: naming the one that may not.
    :raises TypeError: if the reason is not text.
    """
    if not isinstance(reason, str):
        raise TypeError(f"a close reason must be str, not {type(reason).__name__}")
    if code is None:
        if reason:
            raise ValueError(f"a reason needs a close code: {reason!r}")
        return
    if type(code) is bool or not isinstance(code, int) or not isSendable(code):
        raise ValueError(
            "a close code must be 1000 to 1003, 1007 to 1014 or 3000 to 4999, "
            f"not {code!r}"
        )
    size = len(reason.encode("utf-8"))
    if size > MAX_REASON:
        raise ValueError(
            f"a close reason has at most {MAX_REASON} bytes in UTF-8, not {size}"
        )


def closePayload(code: int | None, reason: str) -> bytes:
    """
    The payload of a close frame (RFC 6455, 5.5.1); a long reason ends at a character.
    """
    if code is None:
        return b""
    cut = reason.encode("utf-8")[:MAX_REASON].decode("utf-8", "ignore")
    return code.to_bytes(2, "big") + cut.encode("utf-8")


def parseClosePayload(payload: bytes) -> tuple[int | None, str]:
    """
    Read the payload of a close frame.

    :raises ValueError: if it breaks a rule; :exc:`UnicodeError`, which is one too, if
        its reason is not UTF-8.
    """
    if not payload:
        return None, ""
    if len(payload) == 1:
        raise ValueError("a close frame has half a code")
    code = int.from_bytes(payload[:2], "big")
    if not isSendable(code):
        raise ValueError(f"{code} is no code that a close frame may have")
    return code, payload[2:].decode("utf-8")


def readClose(payload: bytes) -> CloseReceived | ProtocolFailure:
    """
    What the payload of a close frame says, or what is wrong with it.
    """
    try:
        return CloseReceived(*parseClosePayload(payload))
    except UnicodeError:
        reason = "the reason of a close is not UTF-8"
        return ProtocolFailure(CloseCode.INVALID_DATA, reason)
    except ValueError as error:
        return ProtocolFailure(CloseCode.PROTOCOL_ERROR, str(error))
