# Part of txwebsocket. See LICENSE for details.
"""
Tests of how an application's methods are found.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks, succeed
from twisted.trial.unittest import SynchronousTestCase

from tests.memory import Recorder
from txwebsocket import WebSocketProtocol
from txwebsocket.hooks import NO_HOOKS, Hooks, asDeferred, introduce

NAMES = (
    "bytesMessageReceived",
    "connectionLost",
    "frameReceived",
    "negotiationFinished",
    "negotiationStarted",
    "pingReceived",
    "pongReceived",
    "textMessageReceived",
)


class HooksTests(SynchronousTestCase):
    def test_found(self) -> None:
        """
        Each method that an application has is the one that is called.
        """
        application = Recorder()
        hooks = Hooks(application)
        for name in NAMES:
            self.assertEqual(getattr(hooks, name), getattr(application, name))

    def test_lacking(self) -> None:
        """
        What an application lacks can be called all the same, and does nothing.
        """

        class Terse:
            def textMessageReceived(self, message: str) -> str:
                return message.upper()

        hooks = Hooks(Terse())
        self.assertEqual(hooks.textMessageReceived("a"), "A")
        self.assertIsNone(hooks.bytesMessageReceived(b"a"))
        self.assertIsNone(hooks.negotiationFinished())
        self.assertIsNone(hooks.connectionLost(None))

    def test_pullStyle(self) -> None:
        """
        A connection in pull style calls nothing.
        """
        for name in NAMES:
            hook = getattr(NO_HOOKS, name)
            self.assertIsNone(hook(*() if name == "negotiationFinished" else "x"))

    def test_base(self) -> None:
        """
        WebSocketProtocol has every hook, and each does nothing unless overridden.
        """
        hooks = Hooks(WebSocketProtocol())
        for name in NAMES:
            self.assertIs(getattr(hooks, name).__func__, vars(WebSocketProtocol)[name])
            argument: Any = () if name == "negotiationFinished" else ("x",)
            self.assertIsNone(getattr(hooks, name)(*argument))


class IntroduceTests(SynchronousTestCase):
    def test_connection(self) -> None:
        """
        A WebSocketProtocol is given its ``connection``, whatever it overrides.
        """

        class Application(WebSocketProtocol):
            def negotiationStarted(self, transport: object) -> None:
                self.seen = transport

        application, connection = Application(), object()
        hooks = introduce(application, connection)
        self.assertIs(application.connection, connection)
        hooks.negotiationStarted(connection)
        self.assertIs(application.seen, connection)

    def test_foreign(self) -> None:
        """
        An application of another family is left as it is.
        """

        class Foreign:
            __slots__ = ()

            def pongReceived(self, payload: bytes) -> bytes:
                return payload

        hooks = introduce(Foreign(), object())
        self.assertEqual(hooks.pongReceived(b"a"), b"a")


class AsDeferredTests(SynchronousTestCase):
    def test_nothing(self) -> None:
        """
        There is nothing to wait for when a hook returns an ordinary value.
        """
        for value in (None, 0, "text", b"bytes", True, object(), [succeed(None)]):
            self.assertIsNone(asDeferred(value))

    def test_deferred(self) -> None:
        """
        A Deferred is waited for as it is.
        """
        result: Deferred[None] = Deferred()
        self.assertIs(asDeferred(result), result)

    def test_coroutine(self) -> None:
        """
        A coroutine is run, and its result waited for.
        """
        awaited: Deferred[int] = Deferred()

        async def hook() -> int:
            return await awaited + 1

        waiting = asDeferred(hook())
        assert waiting is not None
        self.assertNoResult(waiting)
        awaited.callback(1)
        self.assertEqual(self.successResultOf(waiting), 2)

    def test_inlineCallbacks(self) -> None:
        """
        A function with inlineCallbacks is as good as a coroutine.
        """
        awaited: Deferred[int] = Deferred()

        @inlineCallbacks
        def hook() -> Generator[Deferred[int], int, int]:
            return (yield awaited)

        waiting = asDeferred(hook())
        assert waiting is not None
        awaited.callback(1)
        self.assertEqual(self.successResultOf(waiting), 1)

    def test_raising(self) -> None:
        """
        What a coroutine raises is what the Deferred fails with.
        """

        async def hook() -> None:
            raise ZeroDivisionError

        waiting = asDeferred(hook())
        assert waiting is not None
        self.failureResultOf(waiting, ZeroDivisionError)
