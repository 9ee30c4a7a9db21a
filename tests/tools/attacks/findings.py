# Part of txwebsocket. See LICENSE for details.
"""
What an attack is, what it finds, and what it is held against.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tests.tools.attacks.peers import Ended, Peer, echoes
from tests.tools.attacks.processes import VICTIMS, Server
from tests.tools.attacks.wire import KIB, MIB


class Finding(NamedTuple):
    """
    Something that was measured, and its bar.
    """

    what: str
    bar: str
    measured: str
    isMet: bool


class Unit(NamedTuple):
    """
    What a number counts, and how it is written.
    """

    name: str
    size: float = 1.0

    def show(self, value: float) -> str:
        """
        A number in this unit, with as many places as mean something.
        """
        number = value / self.size
        digits = f"{number:.{1 if number >= 1 else 2}f}".rstrip("0").rstrip(".")
        return digits + (f" {self.name}" if self.name else "")


MEMORY = Unit("MiB", MIB)
SMALL = Unit("KiB", KIB)
SECONDS = Unit("s")
MILLISECONDS = Unit("ms", 0.001)
TIMES = Unit("times")
NUMBER = Unit("")


def atMost(what: str, value: float, bar: float, unit: Unit) -> Finding:
    """
    Something that must not be more than this.
    """
    return Finding(what, f"≤ {unit.show(bar)}", unit.show(max(value, 0)), value <= bar)


def atLeast(what: str, value: float, bar: float, unit: Unit) -> Finding:
    """
    Something that must not be less than this.
    """
    return Finding(what, f"≥ {unit.show(bar)}", unit.show(value), value >= bar)


def same(what: str, found: Any, wanted: Any) -> Finding:
    """
    Something that must be this.
    """
    return Finding(what, str(wanted), str(found), found == wanted)


def rows(what: str, wrong: list[str], number: int) -> Finding:
    """
    A table of which each row must be right.

    :param wrong: what was otherwise, and how.
    """
    measured = f"{number - len(wrong)} of {number}"
    if wrong:
        measured += ": " + "; ".join(wrong)
    return Finding(what, f"all of {number}", measured, not wrong)


def linear(once: float, fourTimes: float) -> Finding:
    """
    What four times as much takes. What is quadratic takes sixteen times as long; a bit
    more than four times, on a machine that does other things as well, is no sign of it.
    """
    return atMost("4 times as much takes", fourTimes / once, 8.0, TIMES)


def calmest(cost: Callable[[int], float]) -> tuple[float, float]:
    """
    What something takes, and what four times as much of it does: of three tries the one
    that the machine's other work has touched least.

    :param cost: measures it, for 1 and for 4.
    """
    tries = [(cost(1), cost(4)) for _ in range(3)]
    return min(tries, key=lambda pair: pair[1] / pair[0])


def answered(what: str, peer: Peer) -> Finding:
    """
    A message that must be echoed.
    """
    try:
        echoes(peer)
    except (Ended, TimeoutError) as error:
        return same(what, f"{type(error).__name__}: {error}", "comes")
    return same(what, "comes", "comes")


@dataclass(frozen=True)
class Arena:
    """
    What an attack takes place in.

    :ivar over: what carries it: ``tcp`` or ``tls``.
    :ivar isQuick: whether there is little time, and no clock to be trusted.
    :ivar folder: has a certificate and its key, ``127.0.0.1.pem`` and
        ``127.0.0.1-key.pem``, and that of who signed it, ``authority.pem``.
    """

    over: str
    isQuick: bool
    folder: Path
    twistd: Path
    python: Path

    @property
    def isSecure(self) -> bool:
        return self.over == "tls"

    def server(
        self, *options: str, app: str | None = None
    ) -> AbstractContextManager[Server]:
        """
        A fresh server, as its users start it.

        :param app: one of ``victims/applications.py`` in place of the echo.
        """
        command = [str(self.twistd), "-n", "websocket", "--pidfile=", *options]
        if app is not None:
            command.append(f"--app=applications.{app}")
        command.append(f"--port={self._port()}")
        return Server.running(command, self.isSecure, VICTIMS)

    def library(self, **options: Any) -> AbstractContextManager[Server]:
        """
        A fresh server with options that ``twistd websocket`` has not.
        """
        words = [f"{name}={value!r}" for name, value in options.items()]
        script = str(VICTIMS / "server.py")
        return Server.running(
            [str(self.python), script, self._port(), *words], self.isSecure, VICTIMS
        )

    def _port(self) -> str:
        if not self.isSecure:
            return "tcp:0:interface=127.0.0.1"
        key, certificate = (
            str(self.folder / f"127.0.0.1{suffix}.pem") for suffix in ("-key", "")
        )
        return f"ssl:0:interface=127.0.0.1:privateKey={key}:certKey={certificate}"


@dataclass(frozen=True)
class Attack:
    """
    Something that a hostile peer does.

    :ivar kind: its class, as ``docs/design/security.rst`` has them.
    :ivar title: what the peer does.
    :ivar run: does it, and says what it finds.
    :ivar victim: what we are.
    :ivar over: what it is tried over.
    :ivar isQuick: whether it is tried if there is little time.
    :ivar isPatient: whether it only waits; such are tried all at once.
    """

    kind: str
    title: str
    run: Callable[[Arena], Iterator[Finding]]
    victim: str = "server"
    over: tuple[str, ...] = ("tcp",)
    isQuick: bool = True
    isPatient: bool = False
