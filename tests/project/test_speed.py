# Part of txwebsocket. See LICENSE for details.
"""
Guards of the way of a message against becoming longer unnoticed.

What is counted is Python's own instructions, which depend on neither the machine nor
what else runs there; each bound leaves some room for how versions of Python differ.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from txwebsocket import ClientConfig, ServerConfig, WebSocketProtocol
from txwebsocket.connection.channel import WebSocketChannel
from txwebsocket.connection.websocket import makeChannel
from txwebsocket.wire import frames
from txwebsocket.wire.codes import Opcode, Role
from txwebsocket.wire.speedups import SPEEDUPS

_MASK = b"\x5a\x01\xf0\x7e"


def instructions(call: Callable[[], object]) -> int:
    """
    How many of Python's instructions a call takes.
    """
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    # Python 3.12 has to know before it begins to trace that anybody wants to.
    sys._getframe().f_trace_opcodes = True
    before = sys.gettrace()
    # What is collected meanwhile may run code of its own.
    gc.collect()
    gc.disable()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
        gc.enable()
    return count


class Echo(WebSocketProtocol):
    def textMessageReceived(self, message: str) -> None:
        self.connection.send(message)

    def bytesMessageReceived(self, data: bytes) -> None:
        self.connection.send(data)


class Sink:
    """
    A transport that takes everything at once, and costs nothing.
    """

    def registerProducer(self, producer: object, isStreaming: bool) -> None:
        """
        It never asks for a pause.
        """

    def write(self, data: bytes) -> None:
        """
        It is gone.
        """


class InstructionTests(SynchronousTestCase):
    """
    Tests of how long the way is.
    """

    def connect(self, role: Role) -> WebSocketChannel:
        """
        An open connection that sends back what it receives.
        """
        clock = Clock()
        config = ServerConfig() if role is Role.SERVER else ClientConfig()
        link = makeChannel(role, config, clock)
        link.attachApplication(Echo())
        link.makeConnection(Sink())
        link.opened()
        return link

    def perMessage(self, role: Role, payload: bytes, opcode: int) -> float:
        """
        What one more message in a read costs, received and sent back.
        """
        link = self.connect(role)
        mask = _MASK if role is Role.SERVER else b""
        message = frames.encodeFrame(opcode, payload, mask)
        costs = []
        for count in (8, 72):
            link.dataReceived(message * count)
            costs.append(instructions(partial(link.dataReceived, message * count)))
        return (costs[1] - costs[0]) / 64

    def assertCosts(self, measured: float, native: int, pure: int) -> None:
        """
        Check a measured number against its bound with either twin of the fast path.
        """
        bound = native if SPEEDUPS else pure
        self.assertLess(measured, bound)
        # A bound far above what is measured guards nothing.
        self.assertGreater(measured, bound / 2)

    def test_echo(self) -> None:
        """
        A message that a server sends back, one of many in a read.
        """
        for opcode in (Opcode.TEXT, Opcode.BINARY):
            cost = self.perMessage(Role.SERVER, b"x" * 128, opcode)
            self.assertCosts(cost, 90, 750)

    def test_clientEcho(self) -> None:
        """
        The same for a client, which masks.
        """
        cost = self.perMessage(Role.CLIENT, b"x" * 128, Opcode.TEXT)
        self.assertCosts(cost, 90, 750)

    def test_alone(self) -> None:
        """
        A message that is all there is to read.
        """
        link = self.connect(Role.SERVER)
        message = frames.encodeFrame(Opcode.TEXT, b"x" * 128, _MASK)
        link.dataReceived(message)
        cost = instructions(lambda: link.dataReceived(message))
        self.assertCosts(cost, 550, 1300)

    def test_large(self) -> None:
        """
        How large a message is does not matter, but for what is done in C.
        """
        small, large = (
            self.perMessage(Role.SERVER, b"x" * size, Opcode.BINARY)
            for size in (200, 800)
        )
        self.assertLess(abs(large - small), 1)
