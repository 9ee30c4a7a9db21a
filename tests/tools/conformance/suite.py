# Part of txwebsocket. See LICENSE for details.
"""
Runs cases of the converted Autobahn WebSocket Testsuite, with the Python that has it.

    suite.py list
    suite.py client URL CASES REPORTS
    suite.py server ENDPOINT CASES REPORTS

``list`` prints the names of all cases. A client puts the server at URL to the test. A
server listens on ENDPOINT, prints its URL, and puts its clients to the test until it is
sent SIGTERM. CASES is a file with the names of cases, one a line; REPORTS is a folder
for what the suite writes, ``index.json`` first and then a file for each case.
"""

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import txaio
from abts.case import (
    CaseBasename,
    CaseCategories,
    Cases,
    CaseSetname,
    CaseSubCategories,
)
from abts.caseset import CaseSet
from abts.fuzzing import FuzzingClientFactory, FuzzingFactory, FuzzingServerFactory
from twisted.internet import reactor
from twisted.internet.endpoints import serverFromString
from twisted.python import log

_PEER = "peer"


class Client(FuzzingClientFactory):
    """
    The suite's, but for names: it calls each server by its ``Server`` header, and a
    server that sent none breaks the reports.
    """

    def logCase(self, result: dict[str, Any]) -> None:
        super().logCase({**result, "agent": _PEER})


def specify(cases: str, reports: str, **more: object) -> dict[str, object]:
    """
    What the suite is told to do.
    """
    names = Path(cases).read_text(encoding="utf-8").split()
    return {"cases": names, "exclude-agent-cases": {}, "outdir": reports, **more}


def listCases() -> None:
    known = CaseSet(CaseSetname, CaseBasename, Cases, CaseCategories, CaseSubCategories)
    print(*known.parseSpecCases({"cases": ["*"]}), sep="\n")


def beClient(url: str, cases: str, reports: str) -> FuzzingFactory:
    return Client(specify(cases, reports, servers=[{"url": url}]))


def beServer(endpoint: str, cases: str, reports: str) -> FuzzingFactory:
    scheme = "wss" if endpoint.startswith("ssl:") else "ws"
    # The suite wants to know its port before it has one.
    factory = FuzzingServerFactory(
        specify(cases, reports, url=f"{scheme}://127.0.0.1:9")
    )

    def listening(port: Any) -> None:
        url = f"{scheme}://127.0.0.1:{port.getHost().port}"
        factory.setSessionParameters(url=url, server=factory.server)
        print(url, file=sys.__stdout__, flush=True)

    serverFromString(reactor, endpoint).listen(factory).addCallback(listening)
    return factory


def stopLater(factory: FuzzingFactory) -> Callable[..., None]:
    """
    What SIGTERM does.
    """

    def stop() -> None:
        factory.createReports()
        reactor.stop()

    return lambda *_: reactor.callFromThread(stop)


def main() -> None:
    role, *arguments = sys.argv[1:]
    if role == "list":
        listCases()
        return
    log.startLogging(sys.stderr)
    txaio.use_twisted()
    factory = {"client": beClient, "server": beServer}[role](*arguments)
    stop = stopLater(factory)
    reactor.callWhenRunning(signal.signal, signal.SIGTERM, stop)
    reactor.run()


if __name__ == "__main__":
    main()
