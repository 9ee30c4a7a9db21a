# Part of txwebsocket. See LICENSE for details.
"""
Tests of standard input and output in threads.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SynchronousTestCase

from txwebsocket.command.stdio import InputStream, OutputStream

SECONDS = 10


class Thread:
    """
    As much of a reactor as threads call.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[tuple[Callable[..., Any], Any]] = SimpleQueue()

    def callFromThread(self, function: Callable[..., Any], *args: Any) -> None:
        self._calls.put((function, args))

    def turn(self) -> None:
        """
        Wait until a thread calls something, and do it.
        """
        function, args = self._calls.get(timeout=SECONDS)
        function(*args)

    def isIdle(self) -> bool:
        """
        Has no thread called anything for a moment?
        """
        try:
            call = self._calls.get(timeout=0.05)
        except Empty:
            return True
        self._calls.put(call)
        return False


class StreamTestCase(SynchronousTestCase):
    """
    A pipe, and who would be the reactor.
    """

    def setUp(self) -> None:
        self.thread = Thread()
        self.reading, self.writing = os.pipe()
        self.open = {self.reading, self.writing}
        self.addCleanup(lambda: [self.closeEnd(end) for end in set(self.open)])

    def closeEnd(self, end: int) -> None:
        """
        Close one end of the pipe.
        """
        self.open.discard(end)
        os.close(end)


class InputStreamTests(StreamTestCase):
    """
    Tests of :class:`InputStream`.
    """

    def setUp(self) -> None:
        super().setUp()
        self.stream = InputStream(self.thread, self.reading)

    def read(self) -> bytes:
        """
        Read, and wait for it.
        """
        wanted = self.stream.read()
        self.thread.turn()
        return self.successResultOf(wanted)

    def test_read(self) -> None:
        """
        What somebody writes is read, and then the end.
        """
        os.write(self.writing, b"one")
        self.assertEqual(self.read(), b"one")
        wanted = self.stream.read()
        self.assertTrue(self.thread.isIdle())
        os.write(self.writing, b"two")
        self.thread.turn()
        self.assertEqual(self.successResultOf(wanted), b"two")
        self.closeEnd(self.writing)
        self.assertEqual(self.read(), b"")

    def test_onlyWhenAsked(self) -> None:
        """
        Nothing is read in advance, so that whoever writes waits for us.
        """
        os.write(self.writing, b"one")
        self.assertTrue(self.thread.isIdle())
        self.assertEqual(self.read(), b"one")
        os.write(self.writing, b"two")
        self.assertTrue(self.thread.isIdle())
        self.assertEqual(os.read(self.reading, 3), b"two")

    def test_file(self) -> None:
        """
        A file on a disk, which some reactors refuse, is read like all else.
        """
        path = self.mktemp()
        with open(path, "wb") as file:
            file.write(b"x" * 100_000)
        descriptor = os.open(path, os.O_RDONLY)
        self.addCleanup(os.close, descriptor)
        self.stream = InputStream(self.thread, descriptor)
        sizes = [len(self.read()) for _ in range(3)]
        self.assertEqual(sizes, [65536, 100_000 - 65536, 0])

    def test_unreadable(self) -> None:
        """
        What can't be read is over: so ends a terminal whose window was closed.
        """
        self.stream = InputStream(self.thread, self.writing)
        self.assertEqual(self.read(), b"")

    def test_nonBlocking(self) -> None:
        """
        A file that another program has left non-blocking is waited for all the same,
        and left as it is.
        """
        os.set_blocking(self.reading, False)
        wanted = self.stream.read()
        self.assertTrue(self.thread.isIdle())
        os.write(self.writing, b"late")
        self.thread.turn()
        self.assertEqual(self.successResultOf(wanted), b"late")
        self.assertFalse(os.get_blocking(self.reading))

    def test_blocking(self) -> None:
        """
        A file that the shell shares with us stays blocking.
        """
        os.write(self.writing, b"x")
        self.read()
        self.assertTrue(os.get_blocking(self.reading))

    def test_cancelled(self) -> None:
        """
        Who asked and does not want it any more is left alone.
        """
        wanted = self.stream.read()
        wanted.cancel()
        self.failureResultOf(wanted, CancelledError)
        os.write(self.writing, b"x")
        self.thread.turn()
        self.assertTrue(self.thread.isIdle())


class OutputStreamTests(StreamTestCase):
    """
    Tests of :class:`OutputStream`.
    """

    def setUp(self) -> None:
        super().setUp()
        self.stream = OutputStream(self.thread, self.writing)
        self.lost: list[OSError] = []
        self.stream.onLost = self.lost.append

    def test_write(self) -> None:
        """
        All is written, in order.
        """
        self.assertIsNone(self.stream.write(b"one"))
        self.assertIsNone(self.stream.write(b"two"))
        flushed = self.stream.flushed()
        self.assertNoResult(flushed)
        self.thread.turn()
        self.assertNoResult(flushed)
        self.thread.turn()
        self.successResultOf(flushed)
        self.assertEqual(os.read(self.reading, 10), b"onetwo")
        self.successResultOf(self.stream.flushed())

    def test_slow(self) -> None:
        """
        If nobody reads, whoever writes is asked to wait, and told when to go on.
        """
        size = 200_000
        waiting = self.stream.write(b"x" * size)
        self.assertTrue(self.thread.isIdle())
        self.assertNoResult(waiting)
        read = 0
        while read < size:
            read += len(os.read(self.reading, size))
        self.thread.turn()
        self.successResultOf(waiting)

    def test_lost(self) -> None:
        """
        When nobody will ever read, that is told once, and all that is written later
        goes nowhere. Nobody waits for it for ever.
        """
        self.closeEnd(self.reading)
        waiting = self.stream.write(b"x" * 100_000)
        flushed = self.stream.flushed()
        self.stream.write(b"more")
        self.thread.turn()
        self.successResultOf(waiting)
        self.successResultOf(flushed)
        self.assertEqual([each.errno for each in self.lost], [errno.EPIPE])
        self.assertIsNone(self.stream.write(b"x" * 100_000))
        self.successResultOf(self.stream.flushed())
        self.assertTrue(self.thread.isIdle())

    def test_nonBlocking(self) -> None:
        """
        A file that another program has left non-blocking gets all the same.
        """
        os.set_blocking(self.writing, False)
        waiting = self.stream.write(b"x" * 200_000)
        self.assertTrue(self.thread.isIdle())
        read = 0
        while read < 200_000:
            read += len(os.read(self.reading, 200_000))
        self.thread.turn()
        self.successResultOf(waiting)
        self.assertEqual(self.lost, [])

    def test_cancelled(self) -> None:
        """
        Who waited and does not want to any more is left alone.
        """
        self.stream.write(b"x")
        flushed = self.stream.flushed()
        flushed.cancel()
        self.failureResultOf(flushed, CancelledError)
        self.thread.turn()
        self.assertEqual(os.read(self.reading, 10), b"x")
