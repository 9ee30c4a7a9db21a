# Part of txwebsocket. See LICENSE for details.
"""
The site for ``pyodide_page.mjs``: Python for the browser, this checkout's package as a
zip, a program that uses it, and a WebSocket to talk with.
"""

from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import driver
from twisted.internet.defer import Deferred
from twisted.internet.task import react
from twisted.web.resource import Resource
from twisted.web.server import Site
from twisted.web.static import Data, File

from txwebsocket import WebSocketRequest, WebSocketResource

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[3]


def packed() -> bytes:
    """
    The package, as far as it is Python.
    """
    archive = BytesIO()
    with ZipFile(archive, "w") as zipped:
        for path in sorted((CHECKOUT / "txwebsocket").rglob("*.py")):
            zipped.write(path, path.relative_to(CHECKOUT))
    return archive.getvalue()


async def echo(request: WebSocketRequest) -> None:
    """
    Send back what comes, until it is a farewell.
    """
    isKnown = driver.PROTOCOL in request.requestedProtocols
    connection = request.accept(driver.PROTOCOL if isKnown else None)
    async for message in connection:
        if message == "bye":
            connection.close(4002, "see you, 再见")
        else:
            connection.send(message)
            await connection.flushed()


def main(reactor: Any, role: str, limit: int, pyodide: str) -> Deferred[None]:
    root = Resource()
    root.putChild(b"", Data(b"<!doctype html><title>Python</title>", "text/html"))
    root.putChild(b"pyodide", File(pyodide))
    root.putChild(b"txwebsocket.zip", Data(packed(), "application/zip"))
    program = (HERE / "in_pyodide.py").read_bytes()
    root.putChild(b"program.py", Data(program, "text/plain"))
    root.putChild(b"chat", WebSocketResource(echo))
    port = reactor.listenTCP(0, Site(root), interface="127.0.0.1")
    driver.listening(port.getHost().port, isSecure=False)
    driver.follow(reactor.callFromThread)
    return Deferred()


if __name__ == "__main__":
    react(partial(main, **driver.options()))
