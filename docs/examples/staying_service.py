# Part of txwebsocket. See LICENSE for details.
"""Stay connected as a service, with a fresh token for each attempt."""

from txwebsocket import WebSocketClient, WebSocketClientService, WebSocketProtocol


class Feed(WebSocketProtocol):
    def textMessageReceived(self, message):
        print(message)


def makeService(reactor, url, fetchToken):
    client = WebSocketClient(reactor)

    async def connect():
        headers = {"Authorization": f"Bearer {await fetchToken()}"}
        return await client.connect(url, headers=headers, application=Feed())

    def failed(error, delay):
        if delay is None:
            print(f"It is of no use: {error}")

    return WebSocketClientService(reactor, connect, onFailure=failed)
