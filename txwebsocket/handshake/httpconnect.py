# -*- test-case-name: tests.handshake.test_httpconnect -*-
# Part of txwebsocket. See LICENSE for details.
"""
What is said to an HTTP proxy until it leads on to a host (RFC 9110, 9.3.6).
"""

import re
from base64 import b64encode
from ipaddress import IPv6Address
from typing import NamedTuple, Protocol

from txwebsocket.handshake.response import BodyReader, ResponseHead, ResponseReader

_NAME = re.compile(r"[A-Za-z0-9._~-]{1,255}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class ProxyRefusal(NamedTuple):
    """
    How a proxy says no.

    :ivar code: the status, or the number of a SOCKS reply; None if a SOCKS proxy wants
        somebody else, for which there is no number.
    :ivar phrase: the same in words.
    :ivar head: the head of an HTTP response.
    :ivar body: as much of its body as has arrived.
    """

    code: int | None
    phrase: str
    head: ResponseHead | None = None
    body: bytes = b""


class ProxyHandshake(Protocol):
    """
    What is said to a proxy until it leads on to a host, at any split of the bytes.

    :ivar isComplete: whether all is said: the proxy leads on, or has refused.
    """

    isComplete: bool

    @property
    def refusal(self) -> ProxyRefusal | None:
        """
        How the proxy says no, as far as it has arrived; None as long as it does not.
        """

    def initialRequest(self) -> bytes:
        """
        What the client says first.
        """

    def feed(self, data: bytes) -> bytes:
        """
        Take what the network gave; return what is to be answered.

        :raises BadResponse: if this is not what a proxy says.
        """

    def takeRemaining(self) -> bytes:
        """
        Remove and return what the proxy has led on already.
        """


class ConnectDialogue:
    """
    One ``CONNECT`` request and its response.

    :param host: a name in ASCII, or an address without brackets.
    :param port: a port number.
    :param credentials: user and password, if the proxy wants some.
    :raises ValueError: if one of them can't be said.
    """

    def __init__(
        self, host: str, port: int, credentials: tuple[str, str] | None = None
    ) -> None:
        self.isComplete = False
        checkDestination(host, port)
        authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
        if credentials is not None:
            lines.append(f"Proxy-Authorization: {_basic(*credentials)}")
        self._request = "\r\n".join([*lines, "", ""]).encode("ascii")
        self._reader = ResponseReader()
        self._rest = b""
        self._head: ResponseHead | None = None
        self._body: BodyReader | None = None

    @property
    def refusal(self) -> ProxyRefusal | None:
        """
        The response with which the proxy refuses.
        """
        if self._head is None:
            return None
        body = b"" if self._body is None else self._body.body
        return ProxyRefusal(self._head.status, self._head.phrase, self._head, body)

    def initialRequest(self) -> bytes:
        """
        The request.
        """
        return self._request

    def feed(self, data: bytes) -> bytes:
        """
        Read the response; there is nothing to answer.

        :raises BadResponse: if it is none, or is over a limit.
        """
        if self._head is None:
            head = self._reader.feed(data)
            if head is None:
                return b""
            data = self._reader.takeRemaining()
            if 200 <= head.status < 300:
                # Lengths in it mean nothing: what follows comes from the host.
                self.isComplete, self._rest = True, data
                return b""
            self._head = head
        if self._body is None:
            self._body = BodyReader(self._head)
        self._body.feed(data)
        self.isComplete = self._body.isComplete
        return b""

    def takeRemaining(self) -> bytes:
        """
        Remove and return the bytes behind the response.
        """
        rest, self._rest = self._rest, b""
        return rest


def checkDestination(host: str, port: int) -> None:
    """
    Can a proxy be asked to lead here?

    :raises ValueError: if the host is no name in ASCII and no address, has a zone, or
        the port is no number of one.
    """
    if "%" in host:
        # RFC 4007, 6: a zone means something on this machine alone.
        raise ValueError(
            f"host must be an address without a zone behind a proxy, not {host!r}"
        )
    if _NAME.fullmatch(host) is None and not _isIPv6(host):
        raise ValueError(f"host must be a name in ASCII or an address, not {host!r}")
    if not 0 < port < 65536:
        raise ValueError(f"port must be between 1 and 65535, not {port!r}")


def _isIPv6(host: str) -> bool:
    try:
        IPv6Address(host)
    except ValueError:
        return False
    return True


def _basic(username: str, password: str) -> str:
    """
    User and password as RFC 7617 wants them, in UTF-8.
    """
    if ":" in username or _CONTROL.search(username + password):
        # Not quoted: it might be a password in the wrong place.
        raise ValueError(
            "a proxy's username must have no colon, and neither it nor the password a "
            "control character"
        )
    credentials = f"{username}:{password}".encode()
    return f"Basic {b64encode(credentials).decode('ascii')}"
