# Part of txwebsocket. See LICENSE for details.
"""
The servers that are compared, how they are started, and what of them is installed.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from scenarios import SCENARIOS

HERE = Path(__file__).resolve().parent
OURS = "txwebsocket"

_ALL = frozenset(SCENARIOS)
_PLAIN = _ALL - {"deflate"}
# The floor knows no messages, so that it can neither spread nor close.
_FLOOR = _PLAIN - {"fanout", "connect"}


@dataclass(frozen=True)
class Server:
    """
    A program that takes a port.

    :ivar program: its file, and arguments besides the port.
    :ivar needs: modules of Python, or one package of npm, that have to be there.
    :ivar can: the scenarios that it can take part in.
    """

    name: str
    program: str
    needs: str
    can: frozenset[str] = _ALL
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def isNode(self) -> bool:
        return self.program.partition(" ")[0].endswith(".cjs")


def _switch(value: str) -> dict[str, str]:
    return {"TXWEBSOCKET_SPEEDUPS": value}


_OURS = "server.py"
_NATIVE = "txwebsocket.wire._speedups"

SERVERS = {
    server.name: server
    for server in (
        Server(OURS, _OURS, _NATIVE, _ALL, _switch("yes")),
        Server(f"{OURS}-pure", _OURS, OURS, _ALL, _switch("no")),
        Server(
            f"{OURS}-zlib-ng",
            f"{_OURS} --engine zlib-ng",
            f"{_NATIVE} zlib_ng",
            frozenset({"deflate"}),
            _switch("yes"),
        ),
        Server("floor-twisted", "peers/floor_twisted.py", "twisted", _FLOOR),
        Server("autobahn-twisted", "peers/autobahn_twisted.py", "autobahn"),
        Server(
            "twisted.web.websocket",
            "peers/twisted_web.py",
            "twisted.web.websocket",
            _PLAIN,
        ),
        Server("websockets", "peers/websockets_asyncio.py", "websockets"),
        Server(
            "websockets-uvloop",
            "peers/websockets_asyncio.py uvloop",
            "websockets uvloop",
        ),
        Server("aiohttp-uvloop", "peers/aiohttp_uvloop.py", "aiohttp uvloop"),
        Server("tornado", "peers/tornado_server.py", "tornado"),
        Server("picows-uvloop", "peers/picows_uvloop.py", "picows uvloop", _PLAIN),
        Server("ws-node", "peers/ws_node.cjs", "ws"),
        Server("websocket-node", "peers/websocket_node.cjs", "websocket", _PLAIN),
    )
}


@dataclass(frozen=True)
class Installed:
    """
    Where everything is that takes part.

    :ivar python: the Python that ours and the peers in Python are installed for.
    :ivar nodeModules: the folder that the peers on Node are installed in.
    """

    python: Path
    nodeModules: Path

    def missing(self, server: Server) -> str:
        """
        Why a server can't be started, or an empty text.
        """
        if server.isNode:
            if shutil.which("node") is None:
                return "node is not installed"
            isThere = (self.nodeModules / server.needs).is_dir()
            return "" if isThere else f"npm's {server.needs} is not installed"
        absent = [name for name in server.needs.split() if not self._imports(name)]
        return f"{', '.join(absent)} can't be imported" if absent else ""

    def _imports(self, name: str) -> bool:
        # Not from the checkout that this may be called in.
        command = [self.python, "-c", f"import {name}"]
        ran = subprocess.run(command, cwd=HERE, capture_output=True, check=False)
        return ran.returncode == 0

    def command(self, server: Server, port: int) -> list[str]:
        """
        What starts a server.
        """
        program, *arguments = server.program.split()
        runs = "node" if server.isNode else str(self.python)
        return [runs, str(HERE / program), str(port), *arguments]

    def environment(self, server: Server) -> dict[str, str]:
        """
        What it is started with.
        """
        kept = {name: os.environ[name] for name in os.environ.keys() - {"PYTHONPATH"}}
        return {**kept, "NODE_PATH": str(self.nodeModules), **server.environment}
