# -*- test-case-name: tests.command.test_arguments -*-
# Part of txwebsocket. See LICENSE for details.
"""
The command line of ``python -m txwebsocket``.
"""

from __future__ import annotations

import os
import sys
import warnings
from base64 import b64encode
from collections.abc import Callable, Sequence
from getopt import GetoptError, getopt
from getpass import GetPassWarning, getpass
from typing import Any

from twisted.python.usage import Options as UsageOptions
from twisted.python.usage import UsageError

from txwebsocket._version import __version__
from txwebsocket.client.client import makeHandshake
from txwebsocket.client.proxyenv import PROXY_FROM_ENVIRONMENT, ProxySource
from txwebsocket.client.url import parseProxy, parseURL
from txwebsocket.command.certificates import makePolicy
from txwebsocket.command.session import Plan
from txwebsocket.config import ClientConfig
from txwebsocket.wire.codes import CloseCode
from txwebsocket.wire.control import checkClose
from txwebsocket.wire.deflate import Deflate

PASSWORD = "TXWEBSOCKET_PASSWORD"
"""
The environment variable with the password for ``--auth``.
"""

# How ClientConfig calls what an option sets.
_CONFIG = {
    "connect-timeout": "openTimeout",
    "max-redirects": "maxRedirects",
    "max-size": "maxReceivedMessageSize",
    "ping-interval": "keepaliveInterval",
}

_AUTH_HELP = (
    "USER or USER:PASSWORD to log in with (Basic). A password that is not here is "
    f"taken from ${PASSWORD}, or asked for."
)
_PROXY_HELP = (
    "The URL of a proxy to go through: http://, https://, socks5:// or socks5h://; '' "
    "for none. [default: what the environment says, such as $https_proxy]"
)
_CONNECT_TIMEOUT_HELP = "Seconds that opening the connection may take. [default: 10]"
_MAX_SIZE_HELP = "The largest message to take, in bytes. [default: 8388608]"
_PING_INTERVAL_HELP = (
    "Seconds of silence before the server is pinged, and dropped if nothing follows; "
    "0 for never. [default: 20]"
)
_WAIT_HELP = (
    "Seconds to go on receiving after the input has ended, 'inf' for as long as the "
    "server likes. [default: until --count is reached, else until nothing has arrived "
    "for 1 second]"
)
_MAX_REDIRECTS_HELP = (
    "Redirects to follow, one after the other. What logs in, and the headers given "
    "here, go to the first server only, unless they stay with it. [default: 0]"
)
_BINARY_HELP = (
    "Send binary messages from standard input, and write received ones as they are."
)


def readPasswordUnseen(prompt: str) -> str:
    """
    Have a password typed at the terminal, whatever standard input is.

    :raises EOFError: if there is no terminal.
    """
    with warnings.catch_warnings():
        # It would go on with standard input, where the messages are.
        warnings.simplefilter("error", GetPassWarning)
        try:
            return getpass(prompt)
        except GetPassWarning:
            raise EOFError(prompt) from None


class Options(UsageOptions):
    """
    The command line of ``python -m txwebsocket``.

    :ivar readPassword: called with a prompt when a password is to be typed.
    """

    synopsis = "Usage: python -m txwebsocket [options] URL"

    longdesc = (
        "Talk with the WebSocket server at a ws:// or wss:// URL. On a terminal, each "
        "line typed is a message, and /help lists the commands. Otherwise each line of "
        "standard input is sent as a text message, each message received is written "
        "as a line, and bytes in hexadecimal digits. The exit status is 0 after a "
        "normal close, 1 if the connection could not be opened, 2 for a wrong command "
        "line, 3 if the server closed with a code of trouble, 4 if the connection "
        "broke, 5 if the input can't be sent or the output can't be written."
    )

    optParameters = [
        ["origin", "o", None, "The Origin header, where to say we come from."],
        ["auth", "u", None, _AUTH_HELP],
        ["proxy", None, None, _PROXY_HELP],
        ["ca", None, None, "A file with the certificates to trust, and no others."],
        ["cert", None, None, "A file with our own certificate, to show the server."],
        ["key", None, None, "A file with its key, if that is another file."],
        ["connect-timeout", None, None, _CONNECT_TIMEOUT_HELP],
        ["max-redirects", "L", None, _MAX_REDIRECTS_HELP],
        ["max-size", "m", None, _MAX_SIZE_HELP],
        ["ping-interval", None, None, _PING_INTERVAL_HELP],
        ["count", "n", None, "Close when this many messages were received."],
        ["wait", "w", None, _WAIT_HELP],
        ["close-code", None, None, "The code to close with. [default: 1000]"],
    ]

    optFlags = [
        ["insecure", "k", "Don't verify the server's certificate: anybody may answer."],
        ["compress", "z", "Compress messages if the server can (RFC 7692)."],
        ["binary", "b", _BINARY_HELP],
        ["null", "0", "Messages end with a null byte, in and out, not with a line."],
        ["whole", None, "Send all of standard input as one message."],
        ["verbose", "v", "Tell on standard error what happens."],
    ]

    def __init__(self, readPassword: Callable[[str], str] = readPasswordUnseen) -> None:
        super().__init__()
        self.readPassword = readPassword
        self["subprotocols"] = []
        self["headers"] = []
        self["messages"] = []

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """
        Read a command line, whose options may stand before and behind the URL.
        """
        given = sys.argv[1:] if options is None else options
        super().parseOptions(self._optionsFirst(list(given)))

    def _optionsFirst(self, given: list[str]) -> list[str]:
        options: list[str] = []
        others: list[str] = []
        while given:
            try:
                _, rest = getopt(given, self.shortOpt, self.longOpt)
            except GetoptError:
                # Whoever reads them next tells what is wrong.
                return [*options, *given]
            options += given[: len(given) - len(rest)]
            if options[-1:] == ["--"]:
                return [*options, *others, *rest]
            others += rest[:1]
            given = rest[1:]
        return [*options, "--", *others]

    def opt_subprotocol(self, name: str) -> None:
        """
        A subprotocol to offer, the preferred one first. Can be given several times.
        """
        self["subprotocols"].append(name)

    opt_s = opt_subprotocol

    def opt_header(self, header: str) -> None:
        """
        A header for the request, as 'Name: value'. Can be given several times.
        """
        name, colon, value = header.partition(":")
        if not colon:
            # What was meant to be its value may be a secret.
            raise UsageError("--header: it has the form 'Name: value', with a colon")
        self["headers"].append((name, value.strip()))

    opt_H = opt_header

    def opt_execute(self, message: str) -> None:
        """
        A text message to send, in place of standard input. Can be given several times.
        """
        self["messages"].append(message)

    opt_x = opt_execute

    def opt_version(self) -> None:
        """
        Show the version of txwebsocket and exit.
        """
        sys.stdout.write(f"txwebsocket {__version__}\n")
        raise SystemExit(0)

    def parseArgs(self, *arguments: str) -> None:
        """
        Take what belongs to no option.
        """
        if len(arguments) != 1:
            raise UsageError("one URL is needed, such as ws://localhost:8080/")
        self["url"] = arguments[0]

    def postOptions(self) -> None:
        """
        Check what was given.

        :raises UsageError: naming the option that is wrong.
        """
        self["config"] = self._config()
        self["plan"] = self._plan()
        self["tlsPolicy"] = makePolicy(
            self["ca"], self["cert"], self["key"], bool(self["insecure"])
        )
        self["proxy"] = self._proxy()
        self._checkRequest()
        if self["auth"] is not None:
            self["headers"].append(("Authorization", self._authorization()))

    def _checkRequest(self) -> None:
        try:
            target = parseURL(self["url"])
            makeHandshake(
                target,
                self["config"],
                self["subprotocols"],
                self["origin"],
                self["headers"],
            )
        except ValueError as error:
            raise UsageError(str(error)) from None
        names = {name.lower() for name, _ in self["headers"]}
        if self["auth"] is not None and "authorization" in names:
            raise UsageError("--auth: there is an Authorization among the headers")

    def _proxy(self) -> str | ProxySource | None:
        given: str | None = self["proxy"]
        if given is None:
            return PROXY_FROM_ENVIRONMENT
        try:
            if given:
                parseProxy(given)
        except ValueError as error:
            raise UsageError(f"--proxy: {error}") from None
        return given or None

    def _authorization(self) -> str:
        user, colon, password = self["auth"].partition(":")
        if not colon:
            password = os.environ.get(PASSWORD) or self._askFor(user)
        credentials = f"{user}:{password}".encode()
        return f"Basic {b64encode(credentials).decode('ascii')}"

    def _askFor(self, user: str) -> str:
        try:
            return self.readPassword(f"Password of {user}: ")
        except EOFError:
            raise UsageError(f"--auth: there is no password for {user!r}") from None

    def _config(self) -> ClientConfig:
        options: dict[str, Any] = {}
        if self["compress"]:
            options["extensions"] = [Deflate()]
        if self["max-size"] is not None:
            options[_CONFIG["max-size"]] = self._whole("max-size", "a number of bytes")
        if self["max-redirects"] is not None:
            redirects = self._whole("max-redirects", "a number", least=0)
            options[_CONFIG["max-redirects"]] = redirects
        for name in ("connect-timeout", "ping-interval"):
            if self[name] is not None:
                options[_CONFIG[name]] = self._seconds(name)
        if options.get("keepaliveInterval") == 0:
            del options["keepaliveInterval"]
            options["keepalive"] = False
        try:
            return ClientConfig(**options)
        except ValueError as error:
            raise UsageError(_named(str(error))) from None

    def _plan(self) -> Plan:
        options: dict[str, Any] = {}
        if self["count"] is not None:
            options["count"] = self._whole("count", "a number of messages")
        if self["wait"] is not None:
            options["wait"] = self._seconds("wait")
        if self["close-code"] is not None:
            options["closeCode"] = self._whole("close-code", "a number")
        try:
            checkClose(options.get("closeCode", CloseCode.NORMAL), "")
        except ValueError as error:
            raise UsageError(f"--close-code: {error}") from None
        return Plan(
            messages=self["messages"], isVerbose=bool(self["verbose"]), **options
        )

    def _whole(self, name: str, what: str, least: int = 1) -> int:
        given = self[name]
        if not (given.isascii() and given.isdecimal()) or int(given) < least:
            raise UsageError(f"--{name}: {what}, at least {least}, and not {given!r}")
        return int(given)

    def _seconds(self, name: str) -> float:
        given = self[name]
        try:
            seconds = float(given)
        except ValueError:
            seconds = -1
        if not seconds >= 0:
            raise UsageError(f"--{name}: a number of seconds, and not {given!r}")
        return seconds


def _named(problem: str) -> str:
    """
    What is wrong with a setting, by the name of the option that sets it.
    """
    for option, setting in _CONFIG.items():
        problem = problem.replace(setting, f"--{option}")
    return problem
