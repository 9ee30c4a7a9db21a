# Part of txwebsocket. See LICENSE for details.
"""
Tests of the command line.
"""

from __future__ import annotations

import getpass
import os
import sys
from io import StringIO
from pathlib import Path
from typing import Any
from warnings import warn

from cryptography.hazmat.primitives.serialization import Encoding
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from tests.support.remote import certify
from txwebsocket import PROXY_FROM_ENVIRONMENT, ClientConfig, __version__
from txwebsocket.command.arguments import Options, readPasswordUnseen
from txwebsocket.command.session import Plan
from txwebsocket.wire.control import checkClose

URL = "ws://example.com/"


def parse(*arguments: str, url: str = URL, password: str | None = None) -> Options:
    """
    Read a command line.

    :param password: what is typed when one is asked for; if None, nobody is there.
    """

    def read(prompt: str) -> str:
        if password is None:
            raise EOFError
        return password

    options = Options(read)
    options.parseOptions([*arguments, url])
    return options


class OptionsTests(SynchronousTestCase):
    """
    Tests of :class:`Options`.
    """

    def setUp(self) -> None:
        self.patch(os, "environ", {})

    def assertWrong(self, *words: str, arguments: Any, url: str = URL) -> None:
        """
        Check that a command line is refused, and what is said of it.
        """
        with self.assertRaises(UsageError) as raised:
            parse(*arguments, url=url)
        for word in words:
            self.assertIn(word, str(raised.exception))

    def test_defaults(self) -> None:
        """
        A URL is enough.
        """
        options = parse()
        self.assertEqual(options["url"], URL)
        self.assertEqual(options["config"], ClientConfig())
        self.assertEqual(options["plan"], Plan(messages=[]))
        self.assertEqual(options["headers"], [])
        self.assertEqual(options["subprotocols"], [])
        self.assertIsNone(options["origin"])
        self.assertIsNone(options["tlsPolicy"])

    def test_url(self) -> None:
        """
        Without a URL, with two, or with one that is none, nothing is tried.
        """
        with self.assertRaises(UsageError) as raised:
            Options().parseOptions([])
        self.assertIn("ws://", str(raised.exception))
        self.assertRaises(UsageError, Options().parseOptions, [URL, URL])
        self.assertWrong(
            "ws://", "'http://example.com/'", arguments=[], url="http://example.com/"
        )
        self.assertWrong("ws://", arguments=[], url="localhost:8080")

    def test_behindURL(self) -> None:
        """
        Options may stand behind the URL, too, up to two dashes.
        """
        options = Options()
        options.parseOptions(["-v", URL, "-x", "a", "--count=2", "-x", "--"])
        self.assertEqual(options["url"], URL)
        self.assertEqual(
            options["plan"], Plan(messages=["a", "--"], count=2, isVerbose=True)
        )
        options = Options()
        options.parseOptions(["-x", "a", "--", URL])
        self.assertEqual(options["url"], URL)
        for others in (["--", "-v"], ["--", URL], ["-v", URL], ["--proto=x"]):
            self.assertRaises(UsageError, Options().parseOptions, [URL, *others])

    def test_unknown(self) -> None:
        """
        Options that there are not are refused.
        """
        self.assertWrong("--proto", arguments=["--proto=x"])

    def test_subprotocols(self) -> None:
        """
        ``--subprotocol``, or ``-s``, can be given several times.
        """
        options = parse("--subprotocol=a", "-s", "b")
        self.assertEqual(options["subprotocols"], ["a", "b"])
        self.assertWrong("'a b'", arguments=["-s", "a b"])
        self.assertWrong("'a'", arguments=["-s", "a", "-s", "a"])

    def test_headers(self) -> None:
        """
        ``--header``, or ``-H``, can be given several times.
        """
        options = parse("--header=X-One: 1: 2", "-H", "X-Two:two ", "-H", "X-One:3")
        self.assertEqual(
            options["headers"], [("X-One", "1: 2"), ("X-Two", "two"), ("X-One", "3")]
        )
        self.assertWrong("--header", "colon", arguments=["-H", "X-One"])
        self.assertWrong("Upgrade", arguments=["-H", "Upgrade: x"])
        self.assertWrong("X One", arguments=["-H", "X One: 1"])

    def test_secretHeader(self) -> None:
        """
        What may be a secret is not repeated in the error.
        """
        with self.assertRaises(UsageError) as raised:
            parse("-H", "Authorization Bearer s3cret")
        self.assertNotIn("s3cret", str(raised.exception))

    def test_origin(self) -> None:
        """
        ``--origin``, or ``-o``, says where to come from.
        """
        self.assertEqual(
            parse("--origin=https://a.example")["origin"], "https://a.example"
        )
        self.assertEqual(parse("-o", "null")["origin"], "null")
        self.assertWrong("Origin", arguments=["-o", "a\nb"])

    def test_auth(self) -> None:
        """
        ``--auth``, or ``-u``, logs in; the password may have colons, and other letters.
        """
        for argument, credentials in (
            ("Aladdin:open sesame", "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
            ("a:b:c", "YTpiOmM="),
            ("a:", "YTo="),
            ("ä:ö", "w6Q6w7Y="),
        ):
            self.assertEqual(
                parse("-u", argument)["headers"],
                [("Authorization", f"Basic {credentials}")],
            )

    def test_password(self) -> None:
        """
        A password that must not be seen in the list of processes is taken from the
        environment, or asked for.
        """
        expected = [("Authorization", "Basic dXM6czNjcmV0")]
        self.assertEqual(parse("--auth=us", password="s3cret")["headers"], expected)
        os.environ["TXWEBSOCKET_PASSWORD"] = "s3cret"
        self.assertEqual(parse("--auth=us")["headers"], expected)

    def test_noPassword(self) -> None:
        """
        If there is nobody to ask, that is told.
        """
        self.assertWrong("--auth", "'us'", arguments=["--auth=us"])

    def test_askLast(self) -> None:
        """
        Nobody types a password for a command line that is wrong anyway.
        """

        def read(prompt: str) -> str:
            raise ZeroDivisionError

        self.assertRaises(
            UsageError, Options(read).parseOptions, ["--auth=us", "http://x/"]
        )

    def test_authTwice(self) -> None:
        """
        There is one way to log in at a time.
        """
        self.assertWrong(
            "--auth", arguments=["-u", "a:b", "-H", "authorization: Bearer x"]
        )

    def test_tls(self) -> None:
        """
        The options for TLS make a policy; what is wrong with them is told.
        """
        path = self.mktemp()
        Path(path).write_bytes(certify().certificate.public_bytes(Encoding.PEM))
        self.assertIsNotNone(parse("--ca", path)["tlsPolicy"])
        for flag in ("--insecure", "-k"):
            self.assertIsNotNone(parse(flag)["tlsPolicy"])
        self.assertWrong("--ca", arguments=["--ca=/missing"])
        self.assertWrong("--cert", arguments=["--cert=/missing", "--key=/missing"])

    def test_proxy(self) -> None:
        """
        ``--proxy`` names a proxy; without it the environment may, and an
        empty one goes directly, whatever the environment says.
        """
        self.assertIs(parse()["proxy"], PROXY_FROM_ENVIRONMENT)
        self.assertEqual(parse("--proxy=socks5://h")["proxy"], "socks5://h")
        self.assertIsNone(parse("--proxy=")["proxy"])
        self.assertWrong("--proxy", "ftp://h", arguments=["--proxy=ftp://h"])

    def test_secretProxy(self) -> None:
        """
        A password in the URL of a proxy is not repeated in the error.
        """
        with self.assertRaises(UsageError) as raised:
            parse("--proxy=ftp://us:s3cret@h")
        self.assertNotIn("s3cret", str(raised.exception))

    def test_config(self) -> None:
        """
        Limits and times are those of the client.
        """
        for arguments, expected in (
            (["--max-size=5"], ClientConfig(maxReceivedMessageSize=5)),
            (["-m", "5"], ClientConfig(maxReceivedMessageSize=5)),
            (["--max-redirects=5"], ClientConfig(maxRedirects=5)),
            (["-L", "0"], ClientConfig(maxRedirects=0)),
            (["--connect-timeout=2.5"], ClientConfig(openTimeout=2.5)),
            (["--ping-interval=5"], ClientConfig(keepaliveInterval=5.0)),
            (["--ping-interval=0"], ClientConfig(keepalive=False)),
        ):
            self.assertEqual(parse(*arguments)["config"], expected)

    def test_badConfig(self) -> None:
        """
        What is no size or no time is refused by the option's name, and shown.
        """
        for bad in ("0", "-1", "1.5", "1k", "", "\N{SUPERSCRIPT TWO}"):
            self.assertWrong("--max-size", repr(bad), arguments=[f"--max-size={bad}"])
        for bad in ("-1", "1.5", "all", ""):
            arguments = [f"--max-redirects={bad}"]
            self.assertWrong("--max-redirects", repr(bad), arguments=arguments)
        for name in ("connect-timeout", "ping-interval", "wait"):
            for bad in ("-1", "ten", "", "nan"):
                self.assertWrong(f"--{name}", repr(bad), arguments=[f"--{name}={bad}"])
        for bad in ("--connect-timeout=0", "--ping-interval=inf"):
            self.assertWrong(bad.partition("=")[0], "seconds", arguments=[bad])

    def test_compress(self) -> None:
        """
        ``--compress``, or ``-z``, offers compression.
        """
        for flag in ("--compress", "-z"):
            self.assertEqual(len(parse(flag)["config"].extensions), 1)

    def test_plan(self) -> None:
        """
        The rest says how the conversation is to go.
        """
        for arguments, expected in (
            (["--execute=a", "-x", "b"], Plan(messages=["a", "b"])),
            (["--count=2"], Plan(messages=[], count=2)),
            (["-n1"], Plan(messages=[], count=1)),
            (["--wait=2.5"], Plan(messages=[], wait=2.5)),
            (["-w", "0"], Plan(messages=[], wait=0.0)),
            (["-w", "inf"], Plan(messages=[], wait=float("inf"))),
            (["--close-code=4000"], Plan(messages=[], closeCode=4000)),
            (["--verbose"], Plan(messages=[], isVerbose=True)),
            (["-v"], Plan(messages=[], isVerbose=True)),
        ):
            self.assertEqual(parse(*arguments)["plan"], expected)

    def test_badPlan(self) -> None:
        """
        What makes no sense of that is refused, and shown.
        """
        self.assertWrong("--count", "'0'", arguments=["--count=0"])
        self.assertWrong("--close-code", "'x'", arguments=["--close-code=x"])
        self.assertWrong("--close-code", "1005", arguments=["--close-code=1005"])
        checkClose(4999, "")

    def test_version(self) -> None:
        """
        ``--version`` shows ours.
        """
        shown = StringIO()
        self.patch(sys, "stdout", shown)
        error = self.assertRaises(SystemExit, parse, "--version")
        self.assertEqual(error.code, 0)
        self.assertEqual(shown.getvalue(), f"txwebsocket {__version__}\n")

    def test_help(self) -> None:
        """
        ``--help`` names each option, with its default where it has one.
        """
        shown = " ".join(str(Options()).split())
        config = ClientConfig()
        for words in (
            "Usage: python -m txwebsocket [options] URL",
            "-s, --subprotocol=",
            "-H, --header=",
            "-o, --origin=",
            "-u, --auth=",
            "$TXWEBSOCKET_PASSWORD",
            "--proxy=",
            "--ca=",
            "--cert=",
            "--key=",
            "-k, --insecure",
            "--connect-timeout=",
            f"[default: {config.openTimeout:g}]",
            "-L, --max-redirects=",
            "-m, --max-size=",
            f"[default: {config.maxReceivedMessageSize}]",
            "--ping-interval=",
            f"[default: {config.keepaliveInterval:g}]",
            "-z, --compress",
            "-b, --binary",
            "-0, --null",
            "--whole",
            "-x, --execute=",
            "-n, --count=",
            "-w, --wait=",
            "--close-code=",
            "-v, --verbose",
            "--version",
            "exit status is 0 after",
        ):
            self.assertIn(words, shown)

    def test_manual(self) -> None:
        """
        The manual shows it as it is.
        """
        self.patch(os, "environ", {"COLUMNS": "80"})
        shown = [line.rstrip() for line in str(Options()).splitlines()]
        page = Path(__file__).parents[2] / "docs" / "howto" / "command.txt"
        self.assertEqual(page.read_text("utf-8").rstrip("\n").splitlines(), shown)


class PasswordTests(SynchronousTestCase):
    """
    Tests of typing a password.
    """

    def test_typed(self) -> None:
        """
        It is typed at the terminal.
        """
        self.patch(sys.modules["txwebsocket.command.arguments"], "getpass", str.upper)
        self.assertEqual(readPasswordUnseen("prompt"), "PROMPT")

    def test_noTerminal(self) -> None:
        """
        Without one, standard input is not taken for it: messages are there.
        """

        def fallBack(prompt: str) -> str:
            warn("no terminal", getpass.GetPassWarning, stacklevel=1)
            return "the first message"

        self.patch(sys.modules["txwebsocket.command.arguments"], "getpass", fallBack)
        self.assertRaises(EOFError, readPasswordUnseen, "prompt")
