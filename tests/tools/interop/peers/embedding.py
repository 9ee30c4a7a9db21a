# Part of txwebsocket. See LICENSE for details.
"""
A site with ordinary pages, an echo at ``/chat`` beside them and another one below
``/members``, for members only. Given a certificate and a key it is served over TLS, in
HTTP/2 to those who want it.
"""

import sys
from functools import partial
from typing import Any

import driver
from endpoint import listen
from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import IRealm, Portal
from twisted.internet.defer import Deferred
from twisted.internet.task import react
from twisted.python import log
from twisted.web.guard import BasicCredentialFactory, HTTPAuthSessionWrapper
from twisted.web.resource import IResource, Resource
from twisted.web.server import Site
from twisted.web.static import Data
from zope.interface import implementer

from txwebsocket import ServerConfig, WebSocketProtocol, WebSocketResource


class Echo(WebSocketProtocol):
    def textMessageReceived(self, message: str) -> None:
        self.connection.send(message)

    def bytesMessageReceived(self, data: bytes) -> None:
        self.connection.send(data)


def page(text: str) -> Data:
    return Data(f"<!DOCTYPE html><title>{text}</title>".encode(), "text/html")


@implementer(IRealm)
class Members:
    def requestAvatar(self, avatarId: Any, mind: Any, *interfaces: Any) -> Any:
        tree = Resource()
        tree.putChild(b"chat", WebSocketResource(Echo, page=page("members' chat")))
        return IResource, tree, lambda: None


def makeSite(config: ServerConfig) -> Site:
    checker = InMemoryUsernamePasswordDatabaseDontUse(member=b"secret")
    portal = Portal(Members(), [checker])
    root = Resource()
    root.putChild(b"", page("home"))
    root.putChild(b"about", page("about"))
    root.putChild(b"chat", WebSocketResource(Echo, config, page=page("chat")))
    root.putChild(
        b"members", HTTPAuthSessionWrapper(portal, [BasicCredentialFactory("members")])
    )
    return Site(root)


def main(reactor: Any, role: str, limit: int, **tls: str) -> Deferred[None]:
    log.startLogging(sys.__stderr__, setStdout=False)
    config = ServerConfig(maxReceivedMessageSize=limit)
    ready = listen(reactor, makeSite(config), **tls)
    return ready.addCallback(lambda _: Deferred())


if __name__ == "__main__":
    react(partial(main, **driver.options()))
