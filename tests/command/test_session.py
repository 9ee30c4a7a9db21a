# Part of txwebsocket. See LICENSE for details.
"""
Tests of whole conversations, in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.support.fakes import Console
from tests.support.memory import Recorder
from txwebsocket import ClientConfig, Deflate, ServerConfig, WebSocketRequest
from txwebsocket.command.console import BadInput
from txwebsocket.command.session import ExitStatus, Plan, Session
from txwebsocket.standalone.tap import Echo
from txwebsocket.testing import MemorySite


def acceptFirst(request: WebSocketRequest) -> None:
    """
    Accept with the first subprotocol offered.
    """
    request.accept(request.requestedProtocols[0], application=Echo())


class SessionTestCase(SynchronousTestCase):
    """
    What tests of sessions need.
    """

    def begin(
        self,
        plan: Plan | None = None,
        *,
        console: Console | None = None,
        application: Any = Echo,
        serverConfig: ServerConfig | None = None,
        **connecting: Any,
    ) -> None:
        """
        Connect to a server, and start to talk.
        """
        self.site = MemorySite(application, serverConfig)
        self.converse(
            lambda session: self.site.connect(application=session, **connecting),
            plan,
            console,
        )

    def converse(
        self,
        connect: Callable[[Session], Deferred[Any]],
        plan: Plan | None = None,
        console: Console | None = None,
    ) -> None:
        """
        Start to talk through a connection that is made otherwise.
        """
        self.console = console or Console()
        self.session = Session(self.site.clock, plan or Plan(), self.console)
        self.running = Deferred.fromCoroutine(self.session.run(connect))
        self.site.flush()

    def give(self, *lines: str | bytes | None) -> None:
        """
        Have some input, and let happen what follows.
        """
        self.console.give(*lines)
        self.site.flush()

    def assertEnds(self, status: ExitStatus) -> None:
        """
        It is over, and nothing is left behind.
        """
        self.assertIs(self.successResultOf(self.running), status)
        self.assertEqual(self.console.calls[-1], "finish")
        self.site.advance(60)
        self.assertEqual(self.site.clock.getDelayedCalls(), [])
        self.assertEqual(self.flushLoggedErrors(), [])


class MessageTests(SessionTestCase):
    """
    Tests of what is sent and shown.
    """

    def test_echo(self) -> None:
        """
        What comes in is sent, and what arrives is shown: text as text, bytes as bytes.
        """
        self.begin()
        self.give("one", b"two", "")
        self.assertEqual(self.console.shown, ["one", b"two", ""])
        self.assertEqual(self.console.calls, ["start"])
        self.assertEqual(self.console.notes, [])
        self.assertNoResult(self.running)

    def test_pipe(self) -> None:
        """
        When the input has ended, the answers are still waited for: until nothing has
        come for a second. Then the connection is closed with 1000.
        """
        server = Recorder()
        self.begin(application=lambda request: request.accept(application=server))
        self.give("question", None)
        self.site.advance(0.75, 0.25)
        server.connection.send("a late answer")
        self.site.flush()
        self.site.advance(0.75, 0.25)
        server.connection.send("another")
        self.site.flush()
        self.site.advance(0.75, 0.25)
        self.assertNoResult(self.running)
        self.site.advance(0.25)
        self.assertEqual(self.console.shown, ["a late answer", "another"])
        self.assertEqual(server.report.receivedCode, 1000)
        self.assertEnds(ExitStatus.CLEAN)

    def test_slowReader(self) -> None:
        """
        A message that takes long to be shown is no silence, and the next one waits for
        it.
        """
        console = Console()
        console.isSlow = True
        self.begin(console=console)
        self.give("one", "two", None)
        self.site.advance(10)
        self.assertEqual(console.shown, ["one"])
        console.take()
        self.site.flush()
        self.site.advance(10)
        self.assertEqual(console.shown, ["one", "two"])
        console.take()
        self.site.advance(1)
        self.assertNoResult(self.running)
        console.take()
        self.assertEnds(ExitStatus.CLEAN)

    def test_slowServer(self) -> None:
        """
        If the server does not read, the input waits.
        """
        self.begin(application=Recorder)
        [wire] = self.site.wires
        wire.client.isStalled = True
        line = "x" * 10_000
        self.give(*[line] * 1000)
        waiting = len(self.console.lines.pending)
        self.assertGreater(waiting, 900)
        wire.client.isStalled = False
        self.site.flush()
        self.assertEqual(self.console.lines.pending, [])

    def test_execute(self) -> None:
        """
        Messages of the command line are sent in place of the input.
        """
        self.begin(Plan(messages=["one", "two"]))
        self.assertEqual(self.console.shown, ["one", "two"])
        self.assertEqual(self.console.lines.waiting, [])
        self.site.advance(1)
        self.assertEnds(ExitStatus.CLEAN)

    def test_count(self) -> None:
        """
        After as many messages as wanted it closes, and shows no more; however long they
        take.
        """
        self.begin(Plan(count=2))
        self.give("one", None)
        self.site.advance(60)
        self.assertNoResult(self.running)
        self.site.server.broadcast("two")
        self.site.server.broadcast("three")
        self.site.flush()
        self.assertEqual(self.console.shown, ["one", "two"])
        self.assertEnds(ExitStatus.CLEAN)

    def test_wait(self) -> None:
        """
        It goes on receiving for as long as it was told to, whatever arrives.
        """
        self.begin(Plan(wait=5.0))
        self.give("one", None)
        self.site.advance(4)
        self.site.server.broadcast("two")
        self.site.flush()
        self.site.advance(0.5)
        self.assertNoResult(self.running)
        self.site.advance(0.5)
        self.assertEnds(ExitStatus.CLEAN)

    def test_noWait(self) -> None:
        """
        Or not at all.
        """
        self.begin(Plan(wait=0.0), application=Recorder)
        self.give("one", None)
        self.site.advance(0.1)
        self.assertEnds(ExitStatus.CLEAN)

    def test_waitForEver(self) -> None:
        """
        Or for as long as the server likes.
        """
        self.begin(Plan(wait=float("inf")))
        self.give(None)
        self.site.advance(600)
        self.assertNoResult(self.running)
        self.site.server.closeAllConnections(1000)
        self.site.flush()
        self.assertEnds(ExitStatus.CLEAN)

    def test_closeCode(self) -> None:
        """
        It closes with the code that was asked for, which is no trouble then.
        """
        server = Recorder()
        self.begin(
            Plan(closeCode=4000, wait=0.0),
            application=lambda request: request.accept(application=server),
        )
        self.give(None)
        self.site.advance(0.1)
        self.assertEqual(server.report.receivedCode, 4000)
        self.assertEnds(ExitStatus.CLEAN)

    def test_badInput(self) -> None:
        """
        Input that can't be sent ends it, with a status of its own.
        """
        self.begin()
        self.give("one")
        self.console.fail(BadInput("message 2 is wrong"))
        self.site.flush()
        self.assertEqual(self.console.shown, ["one"])
        self.assertEqual(self.console.notes, ["message 2 is wrong"])
        self.assertEnds(ExitStatus.STREAM_FAILED)

    def test_brokenInput(self) -> None:
        """
        So does what nobody has foreseen, which is logged.
        """
        self.begin()
        self.console.fail(ZeroDivisionError())
        self.site.flush()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEnds(ExitStatus.STREAM_FAILED)


class EndTests(SessionTestCase):
    """
    Tests of the ends that a conversation can have.
    """

    def closeBy(self, code: int, reason: str = "") -> None:
        """
        Talk with a server that closes.
        """
        self.begin()
        self.site.server.closeAllConnections(code, reason)
        self.site.flush()

    def test_normal(self) -> None:
        """
        A server that closes with 1000, or without a code, ends it well.
        """
        self.closeBy(1000)
        self.assertEqual(self.console.notes, [])
        self.assertEnds(ExitStatus.CLEAN)
        server = Recorder()
        self.begin(application=lambda request: request.accept(application=server))
        server.connection.close(None)
        self.site.flush()
        self.assertEnds(ExitStatus.CLEAN)

    def test_trouble(self) -> None:
        """
        Another code is trouble: code and reason are told.
        """
        self.closeBy(4003, "no more")
        [note] = self.console.notes
        self.assertIn("4003 'no more'", note)
        self.assertEnds(ExitStatus.CLOSED_BY_SERVER)
        self.closeBy(1001)
        self.assertEnds(ExitStatus.CLOSED_BY_SERVER)

    def test_broken(self) -> None:
        """
        An end without a close frame is trouble of another kind.
        """
        self.begin()
        self.site.wires[0].cut()
        self.site.flush()
        self.assertIn("broke", self.console.notes[0])
        self.assertEnds(ExitStatus.BROKEN)

    def test_interrupt(self) -> None:
        """
        An interrupt closes with 1000.
        """
        server = Recorder()
        self.begin(application=lambda request: request.accept(application=server))
        self.session.interrupt()
        self.site.flush()
        self.assertEqual(server.report.receivedCode, 1000)
        self.assertEnds(ExitStatus.CLEAN)

    def test_interruptTwice(self) -> None:
        """
        A second one does not wait for the server's consent.
        """
        self.begin()
        self.site.wires[0].server.pauseProducing()
        self.session.interrupt()
        self.site.flush()
        self.assertNoResult(self.running)
        self.session.interrupt()
        self.site.flush()
        self.assertEnds(ExitStatus.BROKEN)

    def test_interruptOpening(self) -> None:
        """
        While it is connecting, an interrupt gives up at once.
        """
        self.begin(application=lambda request: None)
        self.assertNoResult(self.running)
        self.session.interrupt()
        self.site.flush()
        self.assertEqual(self.console.notes, [])
        self.assertEnds(ExitStatus.NOT_OPENED)

    def test_interruptWriting(self) -> None:
        """
        If nobody takes what is left to say, an interrupt ends that as well.
        """
        console = Console()
        self.begin(Plan(wait=0.0), console=console)
        console.isSlow = True
        self.give(None)
        self.site.advance(0.1)
        self.assertNoResult(self.running)
        self.session.interrupt()
        self.assertEnds(ExitStatus.CLEAN)

    def test_outputLost(self) -> None:
        """
        When whoever reads us has enough, it closes, and has nothing to complain of.
        """
        self.begin()
        self.session.outputLost(BrokenPipeError())
        self.site.flush()
        self.assertEqual(self.console.notes, [])
        self.assertEnds(ExitStatus.CLEAN)

    def test_outputFails(self) -> None:
        """
        A full disk is told of.
        """
        self.begin()
        self.session.outputLost(OSError(28, "No space left on device"))
        self.site.flush()
        self.assertIn("No space left on device", self.console.notes[0])
        self.assertEnds(ExitStatus.STREAM_FAILED)

    def test_outputLostEarly(self) -> None:
        """
        It may be lost before there is a connection, and after it.
        """
        self.begin(application=lambda request: None)
        self.session.outputLost(BrokenPipeError())
        self.session.interrupt()
        self.assertEnds(ExitStatus.NOT_OPENED)
        console = Console()
        self.begin(Plan(wait=0.0), console=console)
        console.isSlow = True
        self.give(None)
        self.site.advance(0.1)
        self.session.outputLost(BrokenPipeError())
        console.take()
        self.assertEnds(ExitStatus.CLEAN)

    def test_refused(self) -> None:
        """
        A server that refuses is quoted, and what it says can't drive the terminal.
        """
        self.begin(application=lambda request: request.reject(403, "not \x1byou"))
        self.assertEqual(
            self.console.notes,
            [
                "ws://example.com/: the server answered 403 Forbidden",
                "| 403 Forbidden\n| \n| not \\x1byou",
            ],
        )
        self.assertNotIn("start", self.console.calls)
        self.assertEnds(ExitStatus.NOT_OPENED)

    def test_longRefusal(self) -> None:
        """
        It is not quoted for ever.
        """
        self.begin(application=lambda request: request.reject(403, "x" * 5000))
        self.assertLess(len(self.console.notes[1]), 1020)
        self.assertTrue(self.console.notes[1].endswith("xxx..."))

    def test_imitation(self) -> None:
        """
        No line of a refusal looks like one of our own notes.
        """
        forged = "no\nconnected to wss://bank.example\r\n\x85closed: 1000"
        self.begin(
            application=lambda request: request.reject(403, forged),
            plan=Plan(isVerbose=True),
        )
        first, *others = self.console.notes
        self.assertIn("403", first)
        for note in others:
            for line in note.split("\n"):
                self.assertTrue(line.startswith("| "), line)

    def test_noWay(self) -> None:
        """
        If no way leads to the server, because the environment names a proxy that is
        none, for example, that is told as well.
        """
        self.site = MemorySite(Echo)

        def connect(session: Session) -> Deferred[Any]:
            raise ValueError("$https_proxy is none")

        self.converse(connect)
        self.assertEqual(self.console.notes, ["$https_proxy is none"])
        self.assertEnds(ExitStatus.NOT_OPENED)

    def test_bug(self) -> None:
        """
        Whatever goes wrong, the terminal is left as it was.
        """
        self.site = MemorySite(Echo)

        def connect(session: Session) -> Deferred[Any]:
            raise ZeroDivisionError

        self.converse(connect)
        self.failureResultOf(self.running, ZeroDivisionError)
        self.assertEqual(self.console.calls, ["finish"])


class InteractiveTests(SessionTestCase):
    """
    Tests of talking with a person.
    """

    def setUp(self) -> None:
        self.person = Console(isInteractive=True, isTyped=True)

    def test_welcome(self) -> None:
        """
        A person is told when the connection is there, and how to go on.
        """
        self.begin(console=self.person, protocols=["chat.v1"], application=acceptFirst)
        self.assertIn("ws://example.com/, speaking chat.v1", self.person.notes[0])
        self.assertIn("/help", self.person.notes[1])

    def test_commands(self) -> None:
        """
        Lines are messages or commands.
        """
        self.begin(console=self.person)
        self.give("hello", "/binary ff", "//x")
        self.assertEqual(self.person.shown, ["hello", b"\xff", "/x"])

    def test_mistake(self) -> None:
        """
        A mistake is told, and ends nothing.
        """
        self.begin(console=self.person)
        self.give("/nothing", "hello")
        self.assertIn("/nothing", self.person.notes[-1])
        self.assertEqual(self.person.shown, ["hello"])

    def test_close(self) -> None:
        """
        ``/close`` ends it, and how it ended is told.
        """
        self.begin(console=self.person)
        self.give("/close 4000 enough")
        self.assertIn("4000 'enough'", self.person.notes[-1])
        self.assertEnds(ExitStatus.CLEAN)

    def test_endOfInput(self) -> None:
        """
        So does the end of the input, at once.
        """
        self.begin(console=self.person)
        self.give(None)
        self.assertEnds(ExitStatus.CLEAN)

    def test_aloneTyped(self) -> None:
        """
        Also where a person types, but a program reads.
        """
        self.begin(console=Console(isTyped=True))
        self.give("/ping", "hello")
        self.give(None)
        self.assertEqual(self.console.shown, ["hello"])
        self.assertEqual(len(self.console.notes), 1)
        self.assertEnds(ExitStatus.CLEAN)


class VerboseTests(SessionTestCase):
    """
    Tests of telling more.
    """

    def test_verbose(self) -> None:
        """
        On request it tells of the handshake, of pings and pongs, and of the end; but
        not among the messages.
        """
        server = Recorder()
        self.begin(
            Plan(isVerbose=True, count=1),
            application=lambda request: request.accept(application=server),
            serverConfig=ServerConfig(extensions=[Deflate()]),
            config=ClientConfig(extensions=[Deflate()]),
        )
        server.connection.ping(b"are you there")
        server.connection.pong(b"I am\xff")
        server.connection.send("one")
        self.site.flush()
        told = "\n".join(self.console.notes)
        for words in (
            "connected to ws://example.com/",
            "extensions: permessage-deflate",
            "ping are you there",
            "pong I am\\xff",
            "closed: we asked to close; sent 1000; received 1000",
            "0 messages sent, 1 received",
        ):
            self.assertIn(words, told)
        self.assertEqual(self.console.shown, ["one"])
        self.assertEnds(ExitStatus.CLEAN)

    def test_quiet(self) -> None:
        """
        Otherwise it does not.
        """
        server = Recorder()
        self.begin(
            Plan(count=1),
            application=lambda request: request.accept(application=server),
        )
        server.connection.ping(b"are you there")
        server.connection.pong(b"I am")
        server.connection.send("one")
        self.site.flush()
        self.assertEqual(self.console.notes, [])
        self.assertEnds(ExitStatus.CLEAN)

    def test_discarded(self) -> None:
        """
        What came too late to be shown is counted.
        """
        self.begin(Plan(isVerbose=True, count=1, messages=["one", "two", "three"]))
        self.assertEqual(self.console.shown, ["one"])
        self.assertIn("2 messages came after", "\n".join(self.console.notes))
        self.assertEnds(ExitStatus.CLEAN)

    def test_refused(self) -> None:
        """
        Of a refusal it shows the headers, too.
        """
        self.begin(
            Plan(isVerbose=True),
            application=lambda request: request.reject(
                401, "log in", {"WWW-Authenticate": "Basic"}
            ),
        )
        self.assertIn("www-authenticate: basic", "\n".join(self.console.notes).lower())
        self.assertEnds(ExitStatus.NOT_OPENED)
