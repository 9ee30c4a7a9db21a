# Part of txwebsocket. See LICENSE for details.
"""In a page: show the news of a server, whichever way it ends."""

from js import document

from txwebsocket.browser import w3cwebsocket


def show(event):
    document.body.innerText = event.data


def ended(event):
    document.body.innerText = f"no more news: {event.code} {event.reason}"


socket = w3cwebsocket("wss://example.com/news", "news.v1")
socket.onmessage = show
socket.onclose = ended
