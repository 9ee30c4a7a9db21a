# -*- test-case-name: tests.command.test_stdio -*-
# Part of txwebsocket. See LICENSE for details.
"""
Standard input and output, each in a thread of its own.

Twisted's ``StandardIO`` makes its descriptors non-blocking. Those of a terminal are the
shell's as well, and those of the other programs in a pipeline, and stay so when we have
ended. A thread takes every kind of file with every reactor, and leaves it as it was.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from queue import SimpleQueue
from select import select
from threading import Thread
from typing import Any

from twisted.internet.defer import Deferred, succeed

_READ_SIZE = 2**16
_HIGH_WATER = 2**16


class InputStream:
    """
    Read when asked to, so that whoever writes to us waits when we do.

    :param reactor: in whose thread all is called.
    :param descriptor: a file that can be read.
    """

    def __init__(self, reactor: Any, descriptor: int) -> None:
        self._reactor = reactor
        self._descriptor = descriptor
        self._asked: SimpleQueue[Deferred[bytes]] = SimpleQueue()
        self._isStarted = False

    def read(self) -> Deferred[bytes]:
        """
        The next bytes; none at the end, or when the file can't be read.
        """
        if not self._isStarted:
            self._isStarted = True
            _start(self._run)
        wanted: Deferred[bytes] = Deferred()
        self._asked.put(wanted)
        return wanted

    def _run(self) -> None:
        while True:
            wanted = self._asked.get()
            try:
                data = self._readSome()
            except OSError:
                # So ends a terminal that was closed.
                data = b""
            self._reactor.callFromThread(wanted.callback, data)

    def _readSome(self) -> bytes:
        while True:
            try:
                return os.read(self._descriptor, _READ_SIZE)
            except BlockingIOError:
                # Another program has left it so.
                select([self._descriptor], [], [])


class OutputStream:
    """
    Write without making the reactor wait.

    :param reactor: in whose thread all is called.
    :param descriptor: a file that can be written to.
    :ivar onLost: called with the ``OSError`` when nothing can be written any more.
    """

    def __init__(self, reactor: Any, descriptor: int) -> None:
        self.onLost: Callable[[OSError], object] = lambda error: None
        self._reactor = reactor
        self._descriptor = descriptor
        self._given: SimpleQueue[bytes] = SimpleQueue()
        self._isStarted = False
        self._isLost = False
        self._waiting: list[bytes] = []
        self._size = 0
        self._inHand = 0
        self._drained: list[tuple[int, Deferred[None]]] = []

    def write(self, data: bytes) -> Deferred[None] | None:
        """
        Write this after all that was given before.

        :return: None, or something to wait for before giving more.
        """
        if self._isLost:
            return None
        self._waiting.append(data)
        self._size += len(data)
        self._handOver()
        return self._below(_HIGH_WATER) if self._size > _HIGH_WATER else None

    def flushed(self) -> Deferred[None]:
        """
        Wait until all is written, or can't be.
        """
        return self._below(0) if self._size else succeed(None)

    def _below(self, mark: int) -> Deferred[None]:
        drained: Deferred[None] = Deferred()
        self._drained.append((mark, drained))
        return drained

    def _handOver(self) -> None:
        if self._waiting and not self._inHand:
            if not self._isStarted:
                self._isStarted = True
                _start(self._run)
            data = b"".join(self._waiting)
            self._waiting.clear()
            self._inHand = len(data)
            self._given.put(data)

    def _written(self, error: OSError | None) -> None:
        self._size -= self._inHand
        self._inHand = 0
        if error is not None:
            self._isLost = True
            self._size = 0
            self._waiting.clear()
        self._handOver()
        over = [each for each in self._drained if self._size <= each[0]]
        self._drained = [each for each in self._drained if each not in over]
        for _, drained in over:
            drained.callback(None)
        if error is not None:
            self.onLost(error)

    def _run(self) -> None:
        while True:
            data = memoryview(self._given.get())
            error = None
            try:
                self._writeAll(data)
            except OSError as problem:
                error = problem
            self._reactor.callFromThread(self._written, error)

    def _writeAll(self, data: memoryview) -> None:
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:
                select([], [self._descriptor], [])


def _start(run: Callable[[], None]) -> None:
    # As a daemon, since it may be reading when we want to end.
    Thread(target=run, daemon=True).start()
