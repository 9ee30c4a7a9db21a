# Part of txwebsocket. See LICENSE for details.
"""
The page for those who come from WebSocket-Node: what it names is there, and what no
other test shows is shown here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from inspect import getdoc, signature
from pathlib import Path
from typing import Any, NamedTuple
from unittest import TestCase

from twisted.trial.unittest import SynchronousTestCase

import txwebsocket.browser
from tests.support.memory import Ends, Served, close
from tests.support.serving import ConnectionCallbacks, serverOf
from txwebsocket import (
    CloseCode,
    Cookie,
    ServerConfig,
    State,
    WebSocketFrame,
    WebSocketRequest,
)
from txwebsocket.wire.codes import Opcode, Role
from txwebsocket.wire.frames import Frame

HERE = Path(__file__).resolve().parents[1]
PAGE = HERE.parent / "docs" / "migrating" / "websocket-node.rst"
TABLE = ".. list-table::"
ROW = "   * -"
CELL = "     -"
LITERAL = re.compile(r"``(.+?)``")
NAME = re.compile(r"([\w.]+)(?:\((\w+)\))?")
NOTHING = "—"


class Row(NamedTuple):
    """
    A row of a table: a name of the model, ours, who shows it to work, and why not.
    """

    model: str
    ours: str
    test: str
    note: str

    def named(self) -> list[str]:
        """
        Our names in it.
        """
        return LITERAL.findall(self.ours)

    def tests(self) -> list[str]:
        """
        The tests it names.
        """
        return LITERAL.findall(self.test)


def readTables(page: str) -> Iterator[list[list[str]]]:
    """
    The list-tables of a page, as rows of cells.
    """
    rows: list[list[str]] = []
    isInside = False
    for line in [*page.splitlines(), "."]:
        if line and not line.startswith(" "):
            if isInside:
                yield rows
            rows, isInside = [], line.startswith(TABLE)
        elif not isInside:
            continue
        elif line.startswith(ROW):
            rows.append([line.removeprefix(ROW).strip()])
        elif line.startswith(CELL):
            rows[-1].append(line.removeprefix(CELL).strip())
        elif line.startswith("       "):
            rows[-1][-1] += " " + line.strip()


def resolve(name: str) -> None:
    """
    Find a name below ``txwebsocket``, or an argument of one.

    :raises LookupError: if there is none.
    """
    match = NAME.fullmatch(name)
    if match is None:
        raise LookupError(name)
    path, argument = match.groups()
    found: Any = txwebsocket
    for part in path.split("."):
        if hasattr(found, part):
            found = getattr(found, part)
        elif re.search(rf":[ic]var {part}:", getdoc(found) or ""):
            # It is there in each object of the class.
            found = None
        else:
            raise LookupError(name)
    if argument is not None and argument not in signature(found).parameters:
        raise LookupError(name)


def findTest(name: str) -> None:
    """
    Find a test that is run with all the others.

    :raises LookupError: if it is not.
    """
    try:
        moduleName, className, method = name.rsplit(".", 2)
        module = import_module(moduleName)
        case = getattr(module, className)
        isTest = issubclass(case, TestCase) and callable(getattr(case, method))
    except (ImportError, AttributeError, ValueError) as error:
        raise LookupError(name) from error
    file = Path(str(module.__file__)).resolve()
    folders = [folder for folder in file.parents if folder.is_relative_to(HERE)]
    isCollected = (
        HERE in folders
        and file.match("test_*.py")
        and all((folder / "__init__.py").is_file() for folder in folders)
    )
    if not (isTest and method.startswith("test_") and isCollected):
        raise LookupError(name)


class PageTests(SynchronousTestCase):
    """
    Tests of the page itself.
    """

    def setUp(self) -> None:
        """
        Read it.
        """
        self.tables = list(readTables(PAGE.read_text(encoding="utf-8")))
        self.rows = [
            Row(*cells) for _, *rows in self.tables for cells in rows if len(cells) == 4
        ]

    def assertFound(self, find: Any, names: Iterator[str]) -> None:
        """
        Each of these names is found.
        """
        missing = []
        for name in names:
            try:
                find(name)
            except LookupError:
                missing.append(name)
        self.assertEqual(missing, [])

    def test_cells(self) -> None:
        """
        Each table has a head, and each row has a cell for each of its columns.
        """
        self.assertGreater(len(self.rows), 200)
        for head, *rows in self.tables:
            self.assertEqual(head, ["WebSocket-Node", "txwebsocket", "Test", "Note"])
            for cells in rows:
                self.assertEqual(len(cells), 4, cells)
                self.assertNotIn("", cells[:3], cells)

    def test_once(self) -> None:
        """
        No name of the model is twice in one table.
        """
        for _, *rows in self.tables:
            names = [cells[0] for cells in rows]
            self.assertEqual(sorted(names), sorted(set(names)))

    def test_names(self) -> None:
        """
        What is named of ours is there.
        """
        self.assertFound(resolve, (name for row in self.rows for name in row.named()))

    def test_tests(self) -> None:
        """
        The tests are there, and are run with all the others.
        """
        self.assertFound(findTest, (name for row in self.rows for name in row.tests()))

    def test_named(self) -> None:
        """
        A row names something of ours or has a dash, and a test or a dash.
        """
        for row in self.rows:
            ours = ", ".join(f"``{name}``" for name in row.named())
            self.assertEqual(row.ours, ours or NOTHING, row)
            tests = ", ".join(f"``{name}``" for name in row.tests())
            self.assertEqual(row.test, tests or NOTHING, row)

    def test_reasons(self) -> None:
        """
        Where nothing is named, be it of ours or a test, the note says why. What we have
        has a test.
        """
        for row in self.rows:
            if row.ours == NOTHING or not row.tests():
                self.assertTrue(row.note, row)
            if row.ours != NOTHING:
                self.assertTrue(row.tests(), row)


class ReadingTests(SynchronousTestCase):
    """
    Tests of how the page is read: what is wrong there would be noticed.
    """

    def test_tables(self) -> None:
        """
        Cells are read over several lines; what stands between tables is not.
        """
        page = """
   * - no table

.. list-table:: One
   :header-rows: 1

   * - a
     - b
       c
     -
   * - d

Text.

   * - no table

.. list-table::

   * - e

.. list-table::

   * - f
"""
        self.assertEqual(
            list(readTables(page)), [[["a", "b c", ""], ["d"]], [["e"]], [["f"]]]
        )

    def test_resolve(self) -> None:
        """
        Classes, their members, what their objects have, and arguments are found.
        """
        for name in (
            "version",
            "WebSocketServer",
            "WebSocketServer.mount",
            "WebSocketRequest.host",
            "CloseCode.NORMAL",
            "WebSocketServer(config)",
            "WebSocketServer.closeAllConnections(code)",
        ):
            try:
                resolve(name)
            except LookupError as error:
                self.fail(f"{name} was not found: {error}")

    def test_unresolved(self) -> None:
        """
        Whatever is not there is not.
        """
        for name in (
            "nothing",
            "WebSocketServer.nothing",
            "WebSocketRequest.host.nothing",
            "WebSocketServer(nothing)",
            "WebSocketServer.mount(nothing)",
            "WebSocketServer mount",
            "",
        ):
            self.assertRaises(LookupError, resolve, name)

    def test_findTest(self) -> None:
        """
        A test is found if it is one.
        """
        findTest(self.id())
        here = self.id().rpartition(".")[0]
        for name in (
            f"{here}.test_nothing",
            f"{here}.setUp",
            "tests.project.test_migrating.NoTests.test_it",
            "tests.project.test_migrating.Row.tests",
            "tests.test_nothing.Tests.test_it",
            "tests.support.memory.Served.connect",
            "test_it",
            "",
        ):
            self.assertRaises(LookupError, findTest, name)


class RowsTests(SynchronousTestCase):
    """
    Tests of what the page promises and no other test shows.
    """

    def ask(self, *lines: str, config: ServerConfig | None = None) -> WebSocketRequest:
        """
        Ask for a WebSocket; the client is ``self.peer``.
        """
        callbacks = ConnectionCallbacks()
        self.served = Served(callbacks, config)
        self.peer = self.served.request(*lines)
        [request] = callbacks.requests
        return request

    def test_closeReasons(self) -> None:
        """
        Each code that the model has a name for has the same name here.
        """
        names = [
            "NORMAL",
            "GOING_AWAY",
            "PROTOCOL_ERROR",
            "UNPROCESSABLE_INPUT",
            "RESERVED",
            "NOT_PROVIDED",
            "ABNORMAL",
            "INVALID_DATA",
            "POLICY_VIOLATION",
            "MESSAGE_TOO_BIG",
            "EXTENSION_REQUIRED",
            "INTERNAL_SERVER_ERROR",
        ]
        self.assertEqual([CloseCode[name] for name in names], list(range(1000, 1012)))
        self.assertEqual(CloseCode.TLS_HANDSHAKE_FAILED, 1015)

    def test_noOriginInAnswer(self) -> None:
        """
        The origin that is demanded is not sent back, under neither of its names.
        """
        for version, name in ((13, "Origin"), (8, "Sec-WebSocket-Origin")):
            request = self.ask(
                f"Sec-WebSocket-Version: {version}", f"{name}: http://example.com"
            )
            request.accept(origin="http://example.com")
            response = self.peer.response()
            self.assertEqual(response.status, 101)
            self.assertEqual(response.header("Origin"), [])
            self.assertEqual(response.header("Sec-WebSocket-Origin"), [])

    def test_cookiesOfOneName(self) -> None:
        """
        Two cookies may have one name, since they may differ in their path; and any name
        will do that is a token.
        """
        self.ask().accept(
            cookies=[
                Cookie("constructor", "1", path="/a"),
                Cookie("constructor", "", path="/b"),
            ]
        )
        self.assertEqual(
            self.peer.response().header("Set-Cookie"),
            ["constructor=1; Path=/a", "constructor=; Path=/b"],
        )

    def test_requestOfConnection(self) -> None:
        """
        A server's connection knows what it was asked for, and by whom.
        """
        request = self.ask(
            "Sec-WebSocket-Version: 8",
            "X-Forwarded-For: 203.0.113.9",
            config=ServerConfig(trustedProxies=["192.0.2.1"]),
        )
        request.accept()
        [connection] = serverOf(self.served).connections
        self.assertEqual(connection.request.webSocketVersion, 8)
        self.assertEqual(
            connection.request.remoteAddresses, ("203.0.113.9", "192.0.2.1")
        )
        self.assertEqual(connection.remoteAddress, "203.0.113.9")

    def test_cookiesAsTheyCame(self) -> None:
        """
        A percent sign in a cookie means nothing, so that none fails the handshake.
        """
        request = self.ask("Cookie: odd=100%; coded=%41")
        self.assertEqual(request.cookies, {"odd": "100%", "coded": "%41"})
        request.accept()
        self.assertEqual(self.peer.response().status, 101)

    def test_states(self) -> None:
        """
        A connection has the model's states; there is a report in the last of them.
        """
        ours, peers = Ends(), Ends(role=Role.CLIENT)
        for ends in (ours, peers):
            self.assertIs(ends.connection.state, State.OPEN)
        ours.connection.close()
        peers.peer.sendClose()
        self.assertIs(ours.connection.state, State.AWAITING_CLOSE)
        self.assertIs(peers.connection.state, State.AWAITING_LOSS)
        for ends in (ours, peers):
            self.assertFalse(ends.connection.connected)
            self.assertIsNone(ends.connection.closeReport)
        ours.peer.sendClose()
        peers.peer.end()
        for ends in (ours, peers):
            self.assertIs(ends.connection.state, State.CLOSED)
            self.assertIsNotNone(ends.connection.closeReport)

    def test_fragmentsByHand(self) -> None:
        """
        Who cuts a message into frames can send them one by one.
        """
        ends = Ends()
        connection = ends.connection
        connection.sendFrame(WebSocketFrame(Opcode.TEXT, b"a", fin=False))
        connection.sendFrame(WebSocketFrame(Opcode.CONTINUATION, b"b", fin=False))
        connection.sendFrame(WebSocketFrame(Opcode.CONTINUATION, b"c"))
        self.assertEqual(
            ends.peer.frames(),
            [
                Frame(Opcode.TEXT, b"a", False),
                Frame(Opcode.CONTINUATION, b"b", False),
                Frame(Opcode.CONTINUATION, b"c"),
            ],
        )

    def test_fragmentAndSend(self) -> None:
        """
        A frame is sent in as many as the options say, if it can be cut at all.
        """
        ends = Ends(fragmentOutgoingMessages=True, fragmentationThreshold=2)
        send = ends.connection.fragmentAndSend
        send(WebSocketFrame(Opcode.TEXT, b"abc"))
        send(WebSocketFrame(Opcode.BINARY, b"d"))
        self.assertEqual(
            ends.peer.frames(),
            [
                Frame(Opcode.TEXT, b"ab", False),
                Frame(Opcode.CONTINUATION, b"c"),
                Frame(Opcode.BINARY, b"d"),
            ],
        )
        for wrong in (Opcode.PING, Opcode.CLOSE, Opcode.CONTINUATION):
            self.assertRaises(ValueError, send, WebSocketFrame(wrong))
        self.assertRaises(ValueError, send, WebSocketFrame(Opcode.TEXT, b"\xff"))
        self.assertEqual(ends.peer.frames(), [])

    def test_dropWithReason(self) -> None:
        """
        Who drops a connection can say why.
        """
        ends = Ends()
        ends.connection.drop(4000, "no more")
        self.assertEqual(ends.peer.frames(), [close(4000, "no more")])
