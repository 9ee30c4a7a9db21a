# -*- test-case-name: tests.wire.test_codes -*-
# Part of txwebsocket. See LICENSE for details.
"""
The numbers of RFC 6455, and the words for why a connection ended.
"""

from enum import Enum, IntEnum


class Role(Enum):
    """
    Which end of the connection we are: it decides who masks (RFC 6455, 5.1).
    """

    SERVER = "server"
    CLIENT = "client"


class Opcode(IntEnum):
    """
    What a frame carries (RFC 6455, 11.8).
    """

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


class CloseCode(IntEnum):
    """
    Why an endpoint closes (RFC 6455, 7.4.1, and the IANA registry for 1012 to 1014).

    Codes from 3000 to 4999 are an application's own and have no member here.
    """

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNPROCESSABLE_INPUT = 1003
    RESERVED = 1004
    NOT_PROVIDED = 1005
    ABNORMAL = 1006
    INVALID_DATA = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    EXTENSION_REQUIRED = 1010
    INTERNAL_SERVER_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    BAD_GATEWAY = 1014
    TLS_HANDSHAKE_FAILED = 1015

    @property
    def description(self) -> str:
        """
        The code in a few words, for logs and for whoever looks at a closed connection.
        """
        return _DESCRIPTIONS[self]


_DESCRIPTIONS = {
    CloseCode.NORMAL: "normal closure",
    CloseCode.GOING_AWAY: "the endpoint is going away",
    CloseCode.PROTOCOL_ERROR: "the protocol was broken",
    CloseCode.UNPROCESSABLE_INPUT: "a kind of data that is not accepted",
    CloseCode.RESERVED: "reserved",
    CloseCode.NOT_PROVIDED: "no code was given",
    CloseCode.ABNORMAL: "the connection ended without a closing handshake",
    CloseCode.INVALID_DATA: "a message was not what it claimed to be",
    CloseCode.POLICY_VIOLATION: "a policy was violated",
    CloseCode.MESSAGE_TOO_BIG: "a message was too big",
    CloseCode.EXTENSION_REQUIRED: "an extension is required",
    CloseCode.INTERNAL_SERVER_ERROR: "an internal error",
    CloseCode.SERVICE_RESTART: "the service is restarting",
    CloseCode.TRY_AGAIN_LATER: "try again later",
    CloseCode.BAD_GATEWAY: "a bad answer from an upstream server",
    CloseCode.TLS_HANDSHAKE_FAILED: "the TLS handshake failed",
}

_LOCAL_ONLY = {
    CloseCode.RESERVED,
    CloseCode.NOT_PROVIDED,
    CloseCode.ABNORMAL,
    CloseCode.TLS_HANDSHAKE_FAILED,
}
_ON_THE_WIRE = frozenset(CloseCode) - _LOCAL_ONLY


def isSendable(code: int) -> bool:
    """
    May this code travel in a close frame? (RFC 6455, 7.4)
    """
    return code in _ON_THE_WIRE or 3000 <= code <= 4999


class CloseCause(Enum):
    """
    What ended a connection, as seen from here.

    A close code says what one endpoint told the other; the cause says what happened.
    """

    LOCAL_CLOSE = "we asked to close"
    PEER_CLOSE = "the peer asked to close"
    PEER_LOST = "the connection broke, or the peer left without a close frame"
    PEER_FAULT = "the peer broke the protocol"
    INVALID_DATA = "the peer sent text that is not UTF-8"
    MESSAGE_TOO_BIG = "the peer sent more than a limit allows"
    APPLICATION_ERROR = "the application raised an exception"
    KEEPALIVE_TIMEOUT = "the peer did not answer a ping in time"
    CLOSE_TIMEOUT = "the peer did not answer our close frame in time"
    WRITE_TIMEOUT = "the peer did not read what we sent in time"
    BUFFER_FULL = "more was waiting to be sent than maxBufferedBytes allows"
    SHUTDOWN = "the server was shut down"
    LIFETIME_OVER = "the connection lasted as long as maxLifetime allows"
    OPEN_TIMEOUT = "the opening handshake was not over in time"
    DROPPED = "the application dropped the connection"
    REJECTED = "the server rejected the opening handshake"
    OPENING_FAILED = "the connection could not be opened"


_CAUSE_OF_FAILURE = {
    CloseCode.INVALID_DATA: CloseCause.INVALID_DATA,
    CloseCode.MESSAGE_TOO_BIG: CloseCause.MESSAGE_TOO_BIG,
}


ROUTINE_CAUSES = frozenset(
    (
        CloseCause.LOCAL_CLOSE,
        CloseCause.PEER_CLOSE,
        CloseCause.PEER_LOST,
        CloseCause.SHUTDOWN,
        CloseCause.LIFETIME_OVER,
        CloseCause.DROPPED,
        CloseCause.REJECTED,
        CloseCause.OPENING_FAILED,
    )
)
"""
Ends that an operator need not hear of.
"""


def causeOfFailure(code: int) -> CloseCause:
    """
    The cause to report when what the peer sent makes us fail with ``code``.
    """
    return _CAUSE_OF_FAILURE.get(CloseCode(code), CloseCause.PEER_FAULT)
