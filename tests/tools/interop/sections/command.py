# Part of txwebsocket. See LICENSE for details.
"""
``python -m txwebsocket`` against servers that others wrote.
"""

import asyncio
import os
import pty
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from tempfile import TemporaryFile

from checking import lacking, note
from children import STEP, OutOfStep
from conversations import Different
from matrix import PEERS
from peers.driver import PROTOCOL
from results import Place, Results
from setting import TCP, Setting

_SERVERS = ("websockets", "ws")
_LINES = ["one", "", "zwölf", "再见 \N{GRINNING FACE}", "x" * 70_000, "last"]
_MANY = 5_000
_LEAVE = '{"do": "close", "code": 4003, "reason": "go away"}'
_ENVIRONMENT = {"PYTHONDONTWRITEBYTECODE": "1", "TERM": "xterm"}


async def tryCommand(setting: Setting, results: Results) -> None:
    """
    What people and scripts do with it.
    """
    await asyncio.gather(*(_tryServer(setting, results, name) for name in _SERVERS))
    place = Place("command")
    async with setting.twistd("--port", TCP) as server:
        url = await server.listening()
        refused = _tryRefusal(setting, f"{url}no", "404")
        await note(results, place, "a page that is none", refused)
    await note(results, place, "nobody there", _tryRefusal(setting, url, "refused"))


async def _tryServer(setting: Setting, results: Results, name: str) -> None:
    place = Place("command", name)
    driver = PEERS[name].driver
    async with setting.driver(driver, "server") as server:
        url = await server.listening()
        for what, step in {
            "lines": _tryLines,
            "a file as standard input": _tryFile,
            "bytes, as one message": _tryBytes,
            "compressed": _tryCompressed,
            "head": _tryHead,
            "the server's close code": _tryClosed,
            "a terminal": _tryTerminal,
            "Ctrl-C": _tryInterrupt,
        }.items():
            await note(results, place, what, step(Command(setting, url)))
    await note(results, place, "a server that dies", _tryDeath(setting, driver))
    await _tryTLS(setting, results, name)


class Command:
    """
    The command, and where it connects to.
    """

    def __init__(self, setting: Setting, url: str) -> None:
        self._setting = setting
        self._url = url

    @asynccontextmanager
    async def start(
        self, *options: str, **files: object
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """
        A process that ends with the block at the latest.
        """
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), asyncio.subprocess.PIPE)
        process = await asyncio.create_subprocess_exec(
            self._setting.python,
            # Not all servers take who offers no subprotocol.
            *("-m", "txwebsocket", f"--subprotocol={PROTOCOL}", *options, self._url),
            cwd=self._setting.folder,
            env={**os.environ, **_ENVIRONMENT},
            start_new_session=True,
            **{**pipes, **files},
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def run(
        self, *options: str, given: bytes = b"", **files: object
    ) -> tuple[int, bytes, str]:
        """
        Its status, and what it says on both outputs.

        :param given: its standard input.
        """
        async with self.start(*options, **files) as process:
            talking = process.communicate(None if "stdin" in files else given)
            try:
                shown, said = await asyncio.wait_for(talking, STEP)
            except TimeoutError:
                raise OutOfStep(f"has not ended within {STEP:g} s") from None
            return process.returncode, shown, said.decode()


def _unlike(found: tuple[int, bytes, str], status: int, shown: bytes) -> str:
    """
    What is wrong with how a command ended, if it should have ended so.
    """
    if found[0] != status:
        return f"the status is {found[0]}, not {status}; {found[2][-500:]}"
    if found[1] != shown:
        return f"{len(found[1])} bytes came, not the {len(shown)} expected"
    return ""


async def _tryLines(command: Command) -> str:
    lines = "\n".join(_LINES).encode()
    return _unlike(await command.run(given=lines), 0, lines + b"\n")


async def _tryFile(command: Command) -> str:
    lines = "".join(f"{number:0200}\n" for number in range(_MANY)).encode()
    with TemporaryFile() as file:
        file.write(lines)
        file.seek(0)
        found = await command.run(f"--count={_MANY}", stdin=file)
    return _unlike(found, 0, lines)


async def _tryBytes(command: Command) -> str:
    data = os.urandom(300_000)
    options = ("--binary", "--whole", "--count=1")
    return _unlike(await command.run(*options, given=data), 0, data)


async def _tryCompressed(command: Command) -> str:
    options = ("-v", "--compress", "-n2", "-x", "a", "-x", "b")
    found = await command.run(*options)
    return _unlike(found, 0, b"a\nb\n") or lacking(
        found[2], [f"speaking {PROTOCOL}", "permessage-deflate", "2 received"]
    )


async def _tryHead(command: Command) -> str:
    reading, writing = os.pipe()
    async with command.start(stdout=writing) as process:
        os.close(writing)
        process.stdin.write(b"one\n")
        line = await asyncio.wait_for(asyncio.to_thread(os.read, reading, 100), STEP)
        os.close(reading)
        process.stdin.write(b"two\n")
        status = await asyncio.wait_for(process.wait(), STEP)
        said = (await process.stderr.read()).decode()
    return _unlike((status, line, said), 0, b"one\n") or said


async def _tryClosed(command: Command) -> str:
    found = await command.run(given=f"one\n{_LEAVE}\n".encode())
    return _unlike(found, 3, b"one\n") or lacking(found[2], ["4003 'go away'"])


async def _tryTerminal(command: Command) -> str:
    person, terminal = pty.openpty()
    try:
        files = dict.fromkeys(("stdin", "stdout", "stderr"), terminal)
        async with command.start(**files) as process:
            await _see(person, "Ctrl-D closes")
            os.write(person, b"helo\x1b[Dl\r")
            await _see(person, "< hello")
            os.write(person, b"/ping\r")
            await _see(person, "pong after ")
            os.write(person, b"\x04")
            await _see(person, "closed: we asked to close; sent 1000; received 1000")
            status = await asyncio.wait_for(process.wait(), STEP)
            return "" if status == 0 else f"the status is {status}"
    finally:
        os.close(person)
        os.close(terminal)


async def _see(person: int, words: str) -> None:
    """
    Wait until a terminal shows something.
    """
    seen = b""
    reading = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(person, reading.set)
    try:
        async with asyncio.timeout(STEP):
            while words.encode() not in seen:
                await reading.wait()
                seen += os.read(person, 65536)
                reading.clear()
    except TimeoutError:
        raise Different(f"no {words!r} in {seen[-500:]!r}") from None
    finally:
        loop.remove_reader(person)


async def _tryInterrupt(command: Command) -> str:
    async with command.start("-v") as process:
        await _said(process, "connected")
        process.send_signal(signal.SIGINT)
        await _said(process, "sent 1000; received 1000")
        status = await asyncio.wait_for(process.wait(), STEP)
    return "" if status == -signal.SIGINT else f"the status is {status}"


async def _tryDeath(setting: Setting, driver: str) -> str:
    async with setting.driver(driver, "server") as server:
        url = await server.listening()
        async with Command(setting, url).start("-v") as process:
            await _said(process, "connected")
            server.kill()
            await _said(process, "closed: the connection broke")
            status = await asyncio.wait_for(process.wait(), STEP)
    return "" if status == 4 else f"the status is {status}"


async def _said(process: asyncio.subprocess.Process, words: str) -> None:
    """
    Wait for a diagnostic.
    """
    try:
        async with asyncio.timeout(STEP):
            while words not in (line := (await process.stderr.readline()).decode()):
                if not line:
                    raise Different(f"nothing says {words!r}")
    except TimeoutError:
        raise OutOfStep(f"nothing says {words!r} within {STEP:g} s") from None


async def _tryTLS(setting: Setting, results: Results, name: str) -> None:
    place = Place("command", name, "wss")
    driver = PEERS[name].driver
    async with setting.driver(driver, "server", **setting.certified) as server:
        command = Command(setting, await server.listening())
        trusting = f"--ca={setting.authority.path}"
        for what, options, status in (
            ("--ca trusts", (trusting,), 0),
            ("--insecure does not ask", ("--insecure",), 0),
            ("nobody is trusted otherwise", (), 1),
        ):
            step = _tryTrust(command, status, *options)
            await note(results, place, what, step)


async def _tryTrust(command: Command, status: int, *options: str) -> str:
    found = await command.run(*options, "-n1", "-x", "hello")
    if status:
        return _unlike(found, 1, b"") or lacking(found[2], ["starting TLS"])
    return _unlike(found, 0, b"hello\n")


async def _tryRefusal(setting: Setting, url: str, words: str) -> str:
    found = await Command(setting, url).run()
    return _unlike(found, 1, b"") or lacking(found[2], [words])
