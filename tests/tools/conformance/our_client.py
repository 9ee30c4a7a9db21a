# Part of txwebsocket. See LICENSE for details.
"""
An echo, the client that the testsuite judges: our_client.py URL [CERTIFICATE]

URL is the testsuite's. For ``wss:`` its certificate has to be this one.
"""

import sys
from pathlib import Path
from typing import Any

from twisted.internet.defer import ensureDeferred
from twisted.internet.ssl import Certificate, optionsForClientTLS
from twisted.internet.task import react
from twisted.python import log
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer

from txwebsocket import ClientConfig, ConnectionClosed, Deflate, WebSocketClient

# The largest message of section 9 has 16 MiB, the smallest of 12 and 13 has 16 bytes.
CONFIG = ClientConfig(maxReceivedMessageSize=2**24, extensions=[Deflate(minSize=1)])


@implementer(IPolicyForHTTPS)
class TrustOnly:
    def __init__(self, path: str) -> None:
        self._root = Certificate.loadPEM(Path(path).read_bytes())

    def creatorForNetloc(self, hostname: bytes, port: int) -> Any:
        return optionsForClientTLS(hostname.decode("ascii"), trustRoot=self._root)


async def ask(client: WebSocketClient, url: str) -> str | bytes:
    async with await client.connect(url) as connection:
        return await connection.receive()


async def runCase(client: WebSocketClient, url: str) -> None:
    connection = await client.connect(url)
    try:
        async for message in connection:
            connection.send(message)
            await connection.flushed()
    except ConnectionClosed:
        # Most cases end so. Whether they should is for the testsuite to say.
        pass


async def main(reactor: Any, url: str, certificate: str | None = None) -> None:
    log.startLogging(sys.stderr)
    policy = TrustOnly(certificate) if certificate else None
    client = WebSocketClient(reactor, CONFIG, tlsPolicy=policy)
    count = int(await ask(client, f"{url}/getCaseCount"))
    for number in range(1, count + 1):
        await runCase(client, f"{url}/runCase?case={number}&agent=peer")


if __name__ == "__main__":
    react(lambda reactor: ensureDeferred(main(reactor, *sys.argv[1:])))
