# Part of txwebsocket. See LICENSE for details.
"""Say something, and print what comes back, in the words of a browser."""

import sys
from functools import partial

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from txwebsocket import W3CWebSocket, WebSocketClient


def talk(WebSocket, url, words):
    socket = WebSocket(url)

    def received(event):
        print(event.data)
        socket.close(1000, "thanks")

    socket.onopen = lambda event: socket.send(words)
    socket.onmessage = received
    socket.onerror = lambda event: print("failed:", event.message)
    return socket


def main(reactor, url, words):
    WebSocket = partial(W3CWebSocket, client=WebSocketClient(reactor))
    ended = Deferred()
    talk(WebSocket, url, words).onclose = ended.callback
    return ended


if __name__ == "__main__":
    react(lambda reactor: main(reactor, *sys.argv[1:]))
