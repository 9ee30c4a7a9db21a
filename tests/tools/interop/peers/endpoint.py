# Part of txwebsocket. See LICENSE for details.
"""
How the servers on Twisted listen.
"""

from typing import Any

import driver
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString


def listen(
    reactor: Any, factory: Any, certificate: str = "", key: str = ""
) -> Deferred[None]:
    """
    Listen on a free port, and say on which.
    """
    description = "tcp:0:interface=127.0.0.1"
    if certificate:
        description = (
            f"ssl:0:interface=127.0.0.1:privateKey={key}:certKey={certificate}"
        )
    driver.follow(reactor.callFromThread)
    ready = serverFromString(reactor, description).listen(factory)
    return ready.addCallback(
        lambda port: driver.listening(port.getHost().port, bool(certificate))
    )
