# -*- test-case-name: tests.handshake.test_socks5 -*-
# Part of txwebsocket. See LICENSE for details.
"""
What is said to a SOCKS proxy until it leads on to a host (RFC 1928, RFC 1929).
"""

from ipaddress import IPv4Address, ip_address

from txwebsocket.handshake.httpconnect import ProxyRefusal, checkDestination
from txwebsocket.wire.errors import BadResponse

SOCKS_REPLIES = {
    1: "general failure",
    2: "not allowed by the proxy's rules",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "time to live expired",
    7: "command not supported",
    8: "type of address not supported",
}
"""
The replies that mean no (RFC 1928, 6).
"""

_VERSION = 5
_CREDENTIALS_VERSION = 1
_NOBODY, _USER, _NO_METHOD = 0, 2, 0xFF
_CONNECT = 1
_IPV4, _NAME, _IPV6 = 1, 3, 4
_ADDRESS_SIZES = {_IPV4: 4, _IPV6: 16}
_MAX_CREDENTIAL = 255


class SocksDialogue:
    """
    The greeting, who we are if the proxy asks, and the request for a connection.

    :param host: a name in ASCII, which the proxy looks up, or an address.
    :param port: a port number.
    :param credentials: user and password, if the proxy wants some.
    :raises ValueError: if one of them can't be said.
    """

    def __init__(
        self, host: str, port: int, credentials: tuple[str, str] | None = None
    ) -> None:
        self.isComplete = False
        self.refusal: ProxyRefusal | None = None
        checkDestination(host, port)
        self._request = _request(host, port)
        self._credentials = None if credentials is None else _user(*credentials)
        self._buffer = b""
        self._read = self._readMethod

    def initialRequest(self) -> bytes:
        """
        The greeting: how we could say who we are.
        """
        methods = [_NOBODY] if self._credentials is None else [_NOBODY, _USER]
        return bytes([_VERSION, len(methods), *methods])

    def feed(self, data: bytes) -> bytes:
        """
        Read the proxy's messages; return the answer to the last.

        :raises BadResponse: if they are no such messages.
        """
        self._buffer += data
        answer = b""
        while not self.isComplete and (reply := self._read()) is not None:
            answer += reply
        return answer

    def takeRemaining(self) -> bytes:
        """
        Remove and return the bytes behind the last message.
        """
        rest, self._buffer = self._buffer, b""
        return rest

    # One method for each message; None if it is not whole yet.

    def _readMethod(self) -> bytes | None:
        message = self._take(2, _VERSION)
        if message is None:
            return None
        method = message[1]
        if method == _NO_METHOD:
            return self._refused(None, self._wanted())
        if method == _NOBODY:
            self._read = self._readReply
            return self._request
        if method != _USER or self._credentials is None:
            raise BadResponse(f"the SOCKS method {method} was not offered")
        self._read = self._readVerdict
        return self._credentials

    def _readVerdict(self) -> bytes | None:
        message = self._take(2, _CREDENTIALS_VERSION)
        if message is None:
            return None
        if message[1]:
            return self._refused(None, "the user or the password is wrong")
        self._read = self._readReply
        return self._request

    def _readReply(self) -> bytes | None:
        self._checkVersion(_VERSION)
        if len(self._buffer) < 2:
            return None
        code = self._buffer[1]
        if code:
            # Some proxies end here, without the address that belongs to it.
            self._take(2, _VERSION)
            return self._refused(code, SOCKS_REPLIES.get(code, "an unknown reply"))
        size = self._replySize()
        if size is None or self._take(size, _VERSION) is None:
            return None
        self.isComplete = True
        return b""

    def _replySize(self) -> int | None:
        if len(self._buffer) < 5:
            return None
        kind, first = self._buffer[3:5]
        if kind == _NAME:
            return 4 + 1 + first + 2
        if kind not in _ADDRESS_SIZES:
            raise BadResponse(f"{kind} is no type of address in SOCKS")
        return 4 + _ADDRESS_SIZES[kind] + 2

    def _take(self, size: int, version: int) -> bytes | None:
        """
        The next message, if it is there.
        """
        self._checkVersion(version)
        if len(self._buffer) < size:
            return None
        message, self._buffer = self._buffer[:size], self._buffer[size:]
        return message

    def _checkVersion(self, version: int) -> None:
        if self._buffer and self._buffer[0] != version:
            raise BadResponse(f"not a SOCKS 5 proxy: {self._buffer[:5]!r}")

    def _refused(self, code: int | None, phrase: str) -> bytes:
        self.refusal = ProxyRefusal(code, phrase)
        self.isComplete = True
        return b""

    def _wanted(self) -> str:
        if self._credentials is None:
            return "a user and a password are wanted"
        return "neither a user nor going without one will do"


def _request(host: str, port: int) -> bytes:
    """
    Ask for a connection.
    """
    try:
        address = ip_address(host)
    except ValueError:
        name = host.encode("ascii")
        destination = bytes([_NAME, len(name)]) + name
    else:
        kind = _IPV4 if isinstance(address, IPv4Address) else _IPV6
        destination = bytes([kind]) + address.packed
    return bytes([_VERSION, _CONNECT, 0]) + destination + port.to_bytes(2, "big")


def _user(username: str, password: str) -> bytes:
    """
    Say who we are.
    """
    message = bytes([_CREDENTIALS_VERSION])
    for text in (username, password):
        octets = text.encode()
        if len(octets) > _MAX_CREDENTIAL or not username:
            raise ValueError(
                "a SOCKS proxy's username must have 1 to 255 bytes, and its password "
                "at most 255"
            )
        message += bytes([len(octets)]) + octets
    return message
