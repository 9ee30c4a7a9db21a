# -*- test-case-name: tests.handshake.test_cookies -*-
# Part of txwebsocket. See LICENSE for details.
"""
Cookies that a server sets while it accepts (RFC 6265).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime

from txwebsocket.wire.grammar import TOKEN

# RFC 6265, 4.1.1: cookie-octets, perhaps inside double quotes.
_OCTETS = r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*"
_VALUE = re.compile(rf'{_OCTETS}|"{_OCTETS}"')
_ATTRIBUTE = re.compile(r"[\x20-\x3a\x3c-\x7e]+")
_SAME_SITE = ("Strict", "Lax", "None")


@dataclass(frozen=True, slots=True)
class Cookie:
    """
    One cookie to set. To delete one, set it again with ``maxAge=0``.

    :raises ValueError: when it is made, naming what can't be part of a cookie.
    """

    name: str
    """
    A token.
    """

    value: str
    """
    Printable ASCII without space, comma, semicolon, backslash or quote.
    """

    path: str | None = None
    """
    The path below which it is sent back; that of the request if None.
    """

    domain: str | None = None
    """
    The domain whose hosts it is sent back to; the host that sets it if None.
    """

    expires: datetime | None = None
    """
    When it is forgotten, with a time zone; with the browser's session if None.
    """

    maxAge: int | None = None
    """
    After how many seconds it is forgotten; goes before :attr:`expires`.
    """

    secure: bool = False
    """
    Sent back over TLS alone.
    """

    httpOnly: bool = False
    """
    Kept from the page's scripts.
    """

    sameSite: str | None = None
    """
    Whether it is sent with what other sites' pages ask for: Strict, Lax or None.
    """

    def __post_init__(self) -> None:
        self._check("name", _matches(TOKEN, self.name))
        self._check("value", _matches(_VALUE, self.value))
        for name in ("path", "domain"):
            text = getattr(self, name)
            self._check(name, text is None or _matches(_ATTRIBUTE, text))
        self._check(
            "expires",
            self.expires is None or _isMoment(self.expires),
        )
        self._check("maxAge", self.maxAge is None or type(self.maxAge) is int)
        self._check("secure", isinstance(self.secure, bool))
        self._check("httpOnly", isinstance(self.httpOnly, bool))
        self._check("sameSite", self.sameSite is None or self.sameSite in _SAME_SITE)

    def _check(self, field: str, isGood: bool) -> None:
        if not isGood:
            raise ValueError(
                f"{getattr(self, field)!r} can't be the {field} of a cookie: "
                f"it must be {_ACCEPTS[field]}"
            )

    def header(self) -> str:
        """
        The value of the ``Set-Cookie`` header that sets it.
        """
        attributes = {
            "Path": self.path,
            "Domain": self.domain and self.domain.lower(),
            "Expires": self.expires
            and format_datetime(self.expires.astimezone(UTC), usegmt=True),
            "Max-Age": self.maxAge,
            "SameSite": self.sameSite,
        }
        parts = [f"{self.name}={self.value}"]
        parts += [f"{key}={v}" for key, v in attributes.items() if v is not None]
        parts += ["Secure"] * self.secure + ["HttpOnly"] * self.httpOnly
        return "; ".join(parts)


def cookieHeaders(cookies: Iterable[Cookie]) -> list[tuple[str, str]]:
    """
    The headers that set these cookies.

    :raises TypeError: if they are something else.
    :raises ValueError: if two of them have one name, path and domain: a client would
        keep the last alone (RFC 6265, 5.3).
    """
    seen = set()
    headers = []
    for cookie in _checkedCookies(cookies):
        domain = cookie.domain and cookie.domain.lower().removeprefix(".")
        identity = (cookie.name, cookie.path, domain)
        if identity in seen:
            raise ValueError(
                f"cookies must have one name, path and domain each: {cookie.name!r} is "
                "a duplicate"
            )
        seen.add(identity)
        headers.append(("Set-Cookie", cookie.header()))
    return headers


def _checkedCookies(cookies: Iterable[Cookie]) -> Iterable[Cookie]:
    accepted = "cookies must be an iterable of Cookie"
    if isinstance(cookies, str | bytes | Mapping) or not isinstance(cookies, Iterable):
        raise TypeError(f"{accepted}, not {type(cookies).__name__}")
    for cookie in cookies:
        if not isinstance(cookie, Cookie):
            # It is not shown, since it might be secret.
            raise TypeError(f"{accepted}; one is {type(cookie).__name__}")
        yield cookie


_ACCEPTS = {
    "name": "a token",
    "value": "printable ASCII without space, comma, semicolon, backslash or quote",
    "path": "printable ASCII without a semicolon",
    "domain": "printable ASCII without a semicolon",
    "expires": "a datetime with a time zone",
    "maxAge": "a whole number of seconds",
    "secure": "True or False",
    "httpOnly": "True or False",
    "sameSite": f"one of {', '.join(_SAME_SITE)}",
}


def _isMoment(value: object) -> bool:
    return isinstance(value, datetime) and value.tzinfo is not None


def _matches(pattern: re.Pattern[str], text: object) -> bool:
    return isinstance(text, str) and pattern.fullmatch(text) is not None
