# -*- test-case-name: tests.test_config -*-
# Part of txwebsocket. See LICENSE for details.
"""
Fields of the configuration classes, each with a check of its values.
"""

from collections.abc import Callable
from dataclasses import field
from typing import Any


def option(default: Any, accepts: str, isAccepted: Callable[[Any], bool]) -> Any:
    """
    A field with a check.

    :param accepts: what it accepts, in words; errors quote it.
    :param isAccepted: whether it accepts a value.
    """
    return field(default=default, metadata={"accepts": (accepts, isAccepted)})


def flagOption(default: bool) -> Any:
    """
    An option that is on or off.
    """
    return option(default, "True or False", lambda value: isinstance(value, bool))


def sizeOption(default: int) -> Any:
    """
    A number of bytes.
    """
    return option(default, "a whole number of bytes, at least 1", isSize)


def sizeOrNoneOption(default: int | None) -> Any:
    """
    A number of bytes, or no limit.
    """
    return option(
        default,
        "a whole number of bytes, at least 1, or None for no limit",
        lambda value: value is None or isSize(value),
    )


def countOrNoneOption(default: int | None) -> Any:
    """
    A number of things, or no limit.
    """
    return option(
        default,
        "a whole number, at least 1, or None for no limit",
        lambda value: value is None or isSize(value),
    )


def numberOption(default: int) -> Any:
    """
    A number of things, at least one.
    """
    return option(default, "a whole number, at least 1", isSize)


def countOption(default: int) -> Any:
    """
    A number of things, perhaps zero.
    """
    return option(
        default,
        "a whole number, at least 0",
        lambda value: type(value) is int and value >= 0,
    )


def secondsOption(default: float) -> Any:
    """
    A duration.
    """
    return option(default, "a number of seconds above 0", isSeconds)


def secondsOrNoneOption(default: float | None) -> Any:
    """
    A duration, or no limit.
    """
    return option(
        default,
        "a number of seconds above 0, or None for no limit",
        lambda value: value is None or isSeconds(value),
    )


def fractionOption(default: float) -> Any:
    """
    A part of a whole.
    """
    return option(
        default,
        "a number from 0 to 1",
        lambda value: isNumber(value) and 0 <= value <= 1,
    )


def isSize(value: object) -> bool:
    """
    Check for a whole number above zero.
    """
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def isNumber(value: object) -> bool:
    """
    Check for a number; a bool is not one here.
    """
    return isinstance(value, int | float) and not isinstance(value, bool)


def isSeconds(value: Any) -> bool:
    """
    Check for a finite duration above zero.
    """
    return isNumber(value) and 0 < value < float("inf")
