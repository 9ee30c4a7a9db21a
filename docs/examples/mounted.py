# Part of txwebsocket. See LICENSE for details.
"""Upgrades on any path of a site, whose pages stay."""

from twisted.web.server import Site

from txwebsocket import WebSocketRouter, WebSocketServer


def mount(site: Site, chat, feed):
    router = WebSocketRouter()
    router.mount("/chat", "chat.v1", chat)
    router.mount("/feed/{topic}", "*", feed)
    server = WebSocketServer(None)
    router.attachServer(server)
    server.mount(site)
    return server
