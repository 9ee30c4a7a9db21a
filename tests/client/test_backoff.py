# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.client.backoff`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionRefusedError, DNSLookupError
from twisted.trial.unittest import SynchronousTestCase

from txwebsocket import (
    CloseCause,
    CloseReport,
    ConnectionClosed,
    ConnectionRejected,
    OpeningFailed,
    OpeningStep,
    OpeningTimedOut,
    ReconnectConfig,
)
from txwebsocket.connection.errors import RefusalResponse
from txwebsocket.handshake.response import ResponseHead
from txwebsocket.wire.errors import BadResponse

DATE = "Sun, 06 Nov 1994 08:49:37 GMT"


def rejected(status: int, **headers: str) -> ConnectionRejected:
    """
    The error for a refusal with this status; an underscore in a header's name stands
    for a hyphen.
    """
    pairs = tuple(
        (name.replace("_", "-").encode(), value.encode())
        for name, value in headers.items()
    )
    head = ResponseHead(version="HTTP/1.1", status=status, phrase="No", headers=pairs)
    return ConnectionRejected(RefusalResponse(head, b""))


def failed(step: OpeningStep, cause: Exception) -> OpeningFailed:
    """
    The error for an opening that failed so.
    """
    return OpeningFailed("ws://example.com/", step, cause)


def closed(code: int) -> ConnectionClosed:
    """
    The error for a connection that the peer closed so.
    """
    return ConnectionClosed(
        CloseReport(
            cause=CloseCause.PEER_CLOSE,
            wasClean=True,
            receivedCode=code,
            closeReceived=True,
        )
    )


class FatalTests(SynchronousTestCase):
    """
    Tests of what makes trying again useless.
    """

    def fatal(self, *errors: Exception) -> list[bool]:
        """
        Which of these errors are fatal, by default.
        """
        return [ReconnectConfig().isFatal(error) for error in errors]

    def test_refused(self) -> None:
        """
        What a server refuses for what the request is, it refuses again.
        """
        for status in (200, 204, 301, 302, 400, 401, 403, 404, 410, 426, 499):
            self.assertEqual(self.fatal(rejected(status)), [True], status)

    def test_passing(self) -> None:
        """
        What a server refuses for the moment may pass, and so may its own faults.
        """
        for status in (408, 425, 429, 500, 502, 503, 504, 599):
            self.assertEqual(self.fatal(rejected(status)), [False], status)

    def test_noWebSocket(self) -> None:
        """
        An answer that is no WebSocket's, or has a subprotocol we did not offer, will be
        the same the next time.
        """
        error = failed(OpeningStep.HANDSHAKE, BadResponse("a wrong accept"))
        self.assertEqual(self.fatal(error), [True])

    def test_network(self) -> None:
        """
        Names, ports, connections, certificates and silence may all be better later.
        """
        url = "ws://example.com/"
        errors = [
            failed(OpeningStep.LOOKUP, DNSLookupError()),
            failed(OpeningStep.CONNECT, ConnectionRefusedError()),
            failed(OpeningStep.TLS, Exception("the certificate has expired")),
            failed(OpeningStep.HANDSHAKE, ConnectionResetError()),
            OpeningTimedOut(url, OpeningStep.HANDSHAKE, TimeoutError()),
            CancelledError(),
        ]
        self.assertEqual(self.fatal(*errors), [False] * 6)

    def test_arguments(self) -> None:
        """
        Arguments that can't be part of a request will not be part of the next.
        """
        self.assertEqual(self.fatal(ValueError("x"), TypeError("x")), [True, True])

    def test_data(self) -> None:
        """
        Errors about data, such as a token service may have sent, are none about
        arguments, though they derive from the same class.
        """
        error = self.assertRaises(json.JSONDecodeError, json.loads, "<html>")
        self.assertEqual(self.fatal(error, KeyError("token")), [False, False])

    def test_closed(self) -> None:
        """
        No close code is, since the server did accept us.
        """
        for code in (1000, 1001, 1002, 1008, 1011, 1012, 1013, 4000):
            self.assertEqual(self.fatal(closed(code)), [False], code)

    def test_own(self) -> None:
        """
        The user's own judgement takes the place of ours, and may use it.
        """
        standard = ReconnectConfig().isFatal

        def isFatal(error: Exception) -> bool:
            if isinstance(error, ConnectionClosed):
                return error.report.code == 4001
            return standard(error)

        config = ReconnectConfig(isFatal=isFatal)
        self.assertIsNone(config.delayAfter(closed(4001), 1))
        self.assertIsNone(config.delayAfter(rejected(404), 1))
        self.assertIsNotNone(config.delayAfter(closed(4000), 1))


class DelayTests(SynchronousTestCase):
    """
    Tests of how long to wait.
    """

    def delays(self, count: int, **options: Any) -> list[float | None]:
        """
        The delays after so many failures in a row.
        """
        config = ReconnectConfig(**options)
        error = ConnectionRefusedError()
        return [config.delayAfter(error, number + 1) for number in range(count)]

    def test_grow(self) -> None:
        """
        Delays double from one second to one minute.
        """
        delays = self.delays(9, jitter=lambda: 1.0)
        self.assertEqual(delays, [1, 2, 4, 8, 16, 32, 60, 60, 60])

    def test_jitter(self) -> None:
        """
        Up to half of a delay is taken off by chance.
        """
        self.assertEqual(self.delays(3, jitter=lambda: 0.0), [0.5, 1, 2])
        self.assertEqual(self.delays(3, jitter=lambda: 0.5), [0.75, 1.5, 3])

    def test_chance(self) -> None:
        """
        By default it is chance indeed, over the whole of that half.
        """
        config = ReconnectConfig(initialDelay=10)
        delays = [config.delayAfter(OSError(), 1) or 0 for _ in range(500)]
        self.assertTrue(all(5 <= delay <= 10 for delay in delays))
        self.assertLess(min(delays), 6)
        self.assertGreater(max(delays), 9)

    def test_options(self) -> None:
        """
        The first delay, the last, and the growth can be chosen.
        """
        options = {"initialDelay": 0.1, "maxDelay": 0.5, "factor": 3}
        delays = self.delays(4, jitter=lambda: 1.0, **options)
        self.assertEqual(delays, [0.1, 3 * 0.1, 0.5, 0.5])

    def test_longTime(self) -> None:
        """
        After however many failures, with whatever growth, the longest delay is kept.
        """
        config = ReconnectConfig(factor=100, jitter=lambda: 1.0)
        for failures in (65, 10_000, 10**9):
            self.assertEqual(config.delayAfter(OSError(), failures), 60)

    def test_refused(self) -> None:
        """
        An option that makes no sense is refused by name.
        """
        for name, values in (
            ("initialDelay", (0, -1, "1", None, True, float("inf"), float("nan"))),
            ("maxDelay", (0, None)),
            ("factor", (0.9, 101, "2", float("nan"))),
            ("jitter", (0.5, None)),
            ("resetAfter", (0, None)),
            ("maxRetryAfter", (0, None)),
            ("isFatal", (None, True)),
        ):
            for value in values:
                options: Any = {name: value}
                error = self.assertRaises(ValueError, ReconnectConfig, **options)
                self.assertIn(f"{name} must be ", str(error))
                self.assertIn(repr(value), str(error))


class RetryAfterTests(SynchronousTestCase):
    """
    Tests of servers that say when to come back.
    """

    def delay(self, status: int = 503, **headers: str) -> float | None:
        """
        The delay after a refusal with these headers; it would be 1 without.
        """
        config = ReconnectConfig(jitter=lambda: 1.0)
        return config.delayAfter(rejected(status, **headers), 1)

    def test_seconds(self) -> None:
        """
        The server's seconds are heeded, when it is too busy or we are too eager.
        """
        for status in (503, 429):
            self.assertEqual(self.delay(status, Retry_After="17"), 17)

    def test_shorter(self) -> None:
        """
        They do not make a delay shorter.
        """
        self.assertEqual(self.delay(Retry_After="0"), 1)

    def test_longest(self) -> None:
        """
        Ten minutes are enough, whatever a server says.
        """
        for seconds in ("601", "99999999999", "9" * 5000):
            self.assertEqual(self.delay(Retry_After=seconds), 600)

    def test_bound(self) -> None:
        """
        How long is enough can be chosen.
        """
        config = ReconnectConfig(maxRetryAfter=5, jitter=lambda: 1.0)
        self.assertEqual(config.delayAfter(rejected(503, Retry_After="17"), 1), 5)

    def test_date(self) -> None:
        """
        A date is heeded in each of its forms, by the server's own clock.
        """
        for until in (
            "Sun, 06 Nov 1994 08:50:17 GMT",
            "Sunday, 06-Nov-94 08:50:17 GMT",
            "Sun Nov  6 08:50:17 1994",
            "Sun, 06 Nov 1994 09:50:17 +0100",
        ):
            self.assertEqual(self.delay(Retry_After=until, Date=DATE), 40, until)

    def test_past(self) -> None:
        """
        A date that has passed asks for nothing.
        """
        until = "Sun, 06 Nov 1994 08:49:00 GMT"
        self.assertEqual(self.delay(Retry_After=until, Date=DATE), 1)

    def test_noClock(self) -> None:
        """
        A date of a server that does not tell its own time means nothing.
        """
        self.assertEqual(self.delay(Retry_After=DATE), 1)

    def test_garbage(self) -> None:
        """
        Nor does anything else.
        """
        for value in (
            "",
            "soon",
            "-5",
            "1.5",
            "0x10",
            "²",
            "Sun, 99 Nov 1994 08:49:37 GMT",
            "Sun, 06 Foo 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 25:61:61",
            "Sun, 06 Nov 99999999 08:49:37 GMT",
            "Sun, 06 Nov 0 08:49:37 GMT",
            "0 0 0 0 0",
            "\xff\x00",
        ):
            delay = self.delay(Retry_After=value, Date=DATE)
            assert delay is not None
            self.assertTrue(1 <= delay <= 600, value)
            delay = self.delay(Retry_After=DATE, Date=value)
            assert delay is not None
            self.assertTrue(1 <= delay <= 600, value)

    def test_elsewhere(self) -> None:
        """
        Only refusals say so.
        """
        config = ReconnectConfig(jitter=lambda: 1.0)
        makers: list[Callable[[], Exception]] = [OSError, lambda: closed(1013)]
        self.assertEqual([config.delayAfter(make(), 1) for make in makers], [1, 1])
