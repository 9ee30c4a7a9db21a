# Part of txwebsocket. See LICENSE for details.
"""Write each message into a file as it arrives, however large it is."""

from pathlib import Path

from twisted.web.server import Site

from txwebsocket import ServerConfig, WebSocketProtocol, WebSocketResource


class Upload(WebSocketProtocol):
    folder = Path()
    count = 0

    async def messageStarted(self, message):
        if message.isText:
            await super().messageStarted(message)  # whole, to textMessageReceived
            return
        self.count += 1
        size = 0
        with (self.folder / f"upload-{self.count}").open("wb") as file:
            async for piece in message:
                size += file.write(piece)
        self.connection.send(f"{size} bytes are here")

    def textMessageReceived(self, message):
        self.connection.send(f"hello, {message}")


config = ServerConfig(streamMessages=True, maxReceivedMessageSize=2**40)
site = Site(WebSocketResource(Upload, config))
