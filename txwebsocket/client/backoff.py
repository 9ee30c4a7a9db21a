# -*- test-case-name: tests.client.test_backoff -*-
# Part of txwebsocket. See LICENSE for details.
"""
Whether to connect again, and when.
"""

from __future__ import annotations

from calendar import timegm
from collections.abc import Callable
from dataclasses import dataclass, fields
from email.utils import parsedate_tz
from random import random
from typing import Any

from txwebsocket.connection.errors import ConnectionRejected, OpeningFailed
from txwebsocket.wire.errors import BadResponse

# Refusals below 500 that tell of the moment, not of the request: Request Timeout, Too
# Early and Too Many Requests.
_PASSING = frozenset((408, 425, 429))

_MAX_FACTOR = 100
# Beyond any sensible limit, and no overflow with the largest factor.
_MAX_EXPONENT = 64


def isFatal(error: Exception) -> bool:
    """
    Is it certain that trying again, just so, can't help?

    It is if the server refused with a status below 500 other than 408, 425 and 429, if
    its answer is no WebSocket's, and if our arguments can't be part of a request. All
    else may pass: names that are not found, certificates that are not valid, closes
    with any code.
    """
    if isinstance(error, ConnectionRejected):
        return error.response.code < 500 and error.response.code not in _PASSING
    if isinstance(error, OpeningFailed):
        return isinstance(error.cause, BadResponse)
    # Errors that derive from these tell of data that was read, not of arguments.
    return type(error) in (TypeError, ValueError)


def retryAfter(error: Exception) -> float:
    """
    The seconds that a server asks us to wait with its refusal; 0 if it does not.
    """
    if not isinstance(error, ConnectionRejected):
        return 0.0
    value = _header(error, "Retry-After")
    if value.isascii() and value.isdigit():
        return float(value)
    until, now = _time(value), _time(_header(error, "Date"))
    # By the server's own clock, as ours may be wrong.
    return 0.0 if until is None or now is None else max(0.0, until - now)


def _header(error: ConnectionRejected, name: str) -> str:
    [value, *_] = error.response.headers.getRawHeaders(name, [""])
    return value


def _time(text: str) -> float | None:
    """
    The time that a header tells, in any form of RFC 9110, 5.6.7; None if it tells none.
    """
    date = parsedate_tz(text)
    try:
        return None if date is None else timegm(date[:9]) - (date[9] or 0)
    except (ValueError, OverflowError):
        return None


def _isNumber(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _isSeconds(value: Any) -> bool:
    return _isNumber(value) and 0 < value < float("inf")


_ACCEPTED: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "initialDelay": ("a number of seconds above 0", _isSeconds),
    "maxDelay": ("a number of seconds above 0", _isSeconds),
    "factor": (
        f"a number from 1 to {_MAX_FACTOR}",
        lambda value: _isNumber(value) and 1 <= value <= _MAX_FACTOR,
    ),
    "jitter": ("a callable that returns a number from 0 to 1", callable),
    "resetAfter": ("a number of seconds above 0", _isSeconds),
    "maxRetryAfter": ("a number of seconds above 0", _isSeconds),
    "isFatal": ("a callable that is given an error", callable),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconnectConfig:
    """
    What can be chosen about connecting again.

    The delay after the first failure is :attr:`initialDelay`, after each further one
    :attr:`factor` times as much, up to :attr:`maxDelay`. Up to half of it is taken off
    by chance, so that those who were cut off together do not come back together.

    :raises ValueError: when it is made, naming the option and what it accepts.
    """

    initialDelay: float = 1.0
    """
    Seconds.
    """

    maxDelay: float = 60.0
    """
    Seconds.
    """

    factor: float = 2.0
    """
    How much longer each delay is than the one before.
    """

    jitter: Callable[[], float] = random
    """
    Returns what part of a delay's second half to wait as well, from 0 to 1.
    """

    resetAfter: float = 30.0
    """
    Seconds that a connection has to last for the delays to begin anew. A server that
    accepts and then closes at once is not asked more and more often because of it.
    """

    maxRetryAfter: float = 600.0
    """
    Seconds that a server's ``Retry-After`` is heeded, where they are more than the
    delay.
    """

    isFatal: Callable[[Exception], bool] = isFatal
    """
    Is given the error of an attempt, or the :exc:`ConnectionClosed` of a connection,
    and returns whether to give up. By default that is so if the server refuses with a
    status below 500 other than 408, 425 and 429, if its answer is no WebSocket's (a
    wrong ``Sec-WebSocket-Accept`` or subprotocol), and after a plain
    :exc:`ValueError` or :exc:`TypeError`, such as arguments raise that can't be part of
    a request. It is not so for any close code, nor for certificates, which others can
    mend.
    """

    def __post_init__(self) -> None:
        for option in fields(self):
            accepts, isAccepted = _ACCEPTED[option.name]
            value = getattr(self, option.name)
            if not isAccepted(value):
                raise ValueError(f"{option.name} must be {accepts}, not {value!r}")

    def delayAfter(self, error: Exception, failures: int) -> float | None:
        """
        The seconds to wait before the next attempt.

        :param error: what went wrong last.
        :param failures: how often in a row something has, this time included.
        :return: None if there shall be no other attempt.
        """
        if self.isFatal(error):
            return None
        exponent = min(failures - 1, _MAX_EXPONENT)
        delay = min(self.initialDelay * self.factor**exponent, self.maxDelay)
        jittered = delay * (1 + self.jitter()) / 2
        return max(jittered, min(retryAfter(error), self.maxRetryAfter))
