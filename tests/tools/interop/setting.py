# Part of txwebsocket. See LICENSE for details.
"""
What is installed, and how it is started.
"""

import json
import os
import shutil
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from certificates import Authority
from children import Child, output, running
from messages import LARGEST, Message, makeMessage, makeMessages

HERE = Path(__file__).resolve().parent
DRIVERS = HERE / "peers"
OURS = "with_txwebsocket.py"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")

TCP = "tcp:0:interface=127.0.0.1"


@dataclass(frozen=True)
class Setting:
    """
    Where everything is that takes part.

    :ivar python: the Python that txwebsocket and the Python peers are installed for.
    :ivar nodeModules: the folder that the peers on Node are installed in.
    :ivar folder: where files may be left for this run.
    """

    python: Path
    nodeModules: Path
    folder: Path
    messages: list[Message]
    tooBig: Message
    authority: Authority
    certified: dict[str, str]

    @classmethod
    def prepare(cls, python: Path, nodeModules: Path, folder: Path) -> "Setting":
        """
        Make the messages and the certificates.
        """
        authority = Authority(folder, "authority")
        return cls(
            python,
            nodeModules,
            folder,
            makeMessages(folder),
            makeMessage(folder, "binary", LARGEST + 1),
            authority,
            authority.certify("localhost", "127.0.0.1"),
        )

    async def missing(self, needs: tuple[str, ...]) -> list[str]:
        """
        What is not installed, of things such as ``python websockets``, ``node ws`` and
        ``program curl``.
        """
        return [need for need in needs if not await self._has(*need.split())]

    async def _has(self, kind: str, name: str) -> bool:
        if kind == "python":
            status, _ = await output(
                self.python, "-c", f"import {name}", cwd=self.folder
            )
            return status == 0
        if kind == "node":
            isThere = (self.nodeModules / name).is_dir()
            return isThere and shutil.which("node") is not None
        return shutil.which(name) is not None

    def driver(
        self, name: str, role: str, **options: object
    ) -> AbstractAsyncContextManager[Child]:
        """
        A driver in one of its roles.
        """
        return running(
            self.python if name.endswith(".py") else "node",
            DRIVERS / name,
            json.dumps({"role": role, "limit": LARGEST, **options}),
            cwd=self.folder,
            INTEROP_NODE_MODULES=str(self.nodeModules),
        )

    def twistd(
        self,
        *options: str,
        program: tuple[str, ...] = ("twistd", "-n"),
        cwd: Path | None = None,
    ) -> AbstractAsyncContextManager[Child]:
        """
        Our server, as its users start it.
        """
        name, *first = program
        last = ["--pidfile="] if name == "twistd" else []
        return running(
            self.python.parent / name,
            *first,
            "websocket",
            *last,
            *options,
            cwd=cwd or self.folder,
        )

    def tlsPort(self) -> str:
        """
        Where our server listens for TLS, as an endpoint.
        """
        key, certificate = self.certified["key"], self.certified["certificate"]
        return f"ssl:0:interface=127.0.0.1:privateKey={key}:certKey={certificate}"
