# Part of txwebsocket. See LICENSE for details.
"""
Tests of the page that lists all limits: what it says is what is so.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http import HTTPChannel

from tests.project.test_migrating import readTables
from txwebsocket import ClientConfig, ServerConfig
from txwebsocket.connection.incoming import MAX_PIECES, MAX_WAITING, MAX_WHOLE
from txwebsocket.connection.pings import MAX_UNANSWERED
from txwebsocket.connection.receivequeue import MAX_MESSAGES
from txwebsocket.connection.writer import PORTION
from txwebsocket.handshake.response import (
    MAX_BODY_SIZE,
    MAX_HEAD_SIZE,
    MAX_HEADERS,
    MAX_INTERIM,
)
from txwebsocket.server.site import HEAD_TIMEOUT
from txwebsocket.wire.control import MAX_CONTROL_PAYLOAD
from txwebsocket.wire.grammar import MAX_ELEMENTS

TOP = Path(__file__).resolve().parents[2]
PAGE = TOP / "docs" / "howto" / "security.rst"
UNITS = (("MiB", 2**20), ("KiB", 2**10))
ABSENT = "—"

# Options that bound nothing that a peer can make us do.
NO_LIMITS = {
    "fragmentationThreshold",
    "ipv6PrefixLength",
    "lifetimeJitter",
    "webSocketVersion",
}

# What each row of the second table is about, and what it is in the code; tests of their
# own hold what is told in words only.
FIXED = {
    "a request's line and headers, in time": (HEAD_TIMEOUT, "s"),
    "a request's line and headers, in bytes": (HTTPChannel.totalHeadersSize, "bytes"),
    "a request's headers": (HTTPChannel.maxHeaders, ""),
    "elements of a list in a handshake's header, parameters of one of them": (
        MAX_ELEMENTS,
        "",
    ),
    "a response's line and headers, in bytes": (MAX_HEAD_SIZE, "bytes"),
    "a response's headers": (MAX_HEADERS, ""),
    "interim responses": (MAX_INTERIM, ""),
    "the body of a refusal": (MAX_BODY_SIZE, "bytes"),
    "messages that wait for ``receive()``, or for a hook": (MAX_MESSAGES, ""),
    "bytes of pieces that wait, with ``streamMessages``": (MAX_WAITING, "bytes"),
    "pieces that wait": (MAX_PIECES, ""),
    "a message that is collected, where ``maxReceivedMessageSize`` is None": (
        MAX_WHOLE,
        "bytes",
    ),
    "a control frame's payload": (MAX_CONTROL_PAYLOAD, "bytes"),
    "pings of ours without an answer": (MAX_UNANSWERED, ""),
    "bytes a transport holds unsent": (PORTION, "bytes"),
}
IN_WORDS = {
    "``Host``",
    "the target in a request's line",
    "a header that goes on in the next line",
    "a response's lines that end in LF or CR alone",
    "TLS on a port without it",
    "a request's body",
    "bytes that wait for ``receive()``, or for a hook",
    "pongs that are owed",
}


def inWords(value: Any, unit: str) -> str:
    """
    A limit as the page tells it.
    """
    if value is None:
        return "no limit"
    if unit == "bytes":
        for name, size in UNITS:
            if value % size == 0:
                return f"{value // size} {name}"
    return f"{value:g} {unit}".strip()


def unitOf(option: str) -> str:
    """
    What an option counts, by its name.
    """
    if option.endswith(("Timeout", "Interval", "Period", "Lifetime", "Time")):
        return "s"
    return "bytes" if option.endswith(("Size", "Bytes", "Mark")) else ""


def isNumber(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


class PageTests(SynchronousTestCase):
    def setUp(self) -> None:
        """
        Read the page.
        """
        options, fixed = readTables(PAGE.read_text(encoding="utf-8"))
        self.options = {name.strip("`"): cells for name, *cells in options[1:]}
        self.fixed = {name: cells for name, *cells in fixed[1:]}

    def test_defaults(self) -> None:
        """
        Each default is the option's own, for either role that has it.
        """
        for name, (server, client, _) in self.options.items():
            for told, kind in ((server, ServerConfig), (client, ClientConfig)):
                expected = ABSENT
                if hasattr(kind, name):
                    expected = inWords(getattr(kind(), name), unitOf(name))
                self.assertEqual((name, told), (name, expected))

    def test_complete(self) -> None:
        """
        No option that bounds something is left out.
        """
        found = set()
        for config in (ServerConfig(), ClientConfig()):
            for option in fields(config):
                value = getattr(config, option.name)
                if isNumber(value) or option.name.startswith("max"):
                    found.add(option.name)
        self.assertEqual(set(self.options), found - NO_LIMITS)

    def test_fixed(self) -> None:
        """
        What is fixed is told as the code has it.
        """
        self.assertEqual(set(self.fixed), {*FIXED, *IN_WORDS})
        for name, (value, unit) in FIXED.items():
            told, _ = self.fixed[name]
            self.assertEqual((name, told), (name, inWords(value, unit)))

    def test_consequences(self) -> None:
        """
        Each row says what happens beyond the limit.
        """
        for *_, consequence in [*self.options.values(), *self.fixed.values()]:
            self.assertGreater(len(consequence), 2)


class PolicyTests(SynchronousTestCase):
    def test_found(self) -> None:
        """
        The policy is named where people look for it: in README and in the manual.
        """
        self.assertTrue((TOP / "SECURITY.rst").is_file())
        for page in (TOP / "README", PAGE):
            self.assertIn("SECURITY.rst", page.read_text(encoding="utf-8"))
        manifest = (TOP / "MANIFEST.in").read_text(encoding="utf-8")
        self.assertIn("SECURITY.rst", manifest)
