# Part of txwebsocket. See LICENSE for details.
"""
Tests of how an application's methods are found.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.support.memory import Recorder
from txwebsocket import WebSocketProtocol
from txwebsocket.connection.hooks import NO_HOOKS, Hooks, introduce

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
