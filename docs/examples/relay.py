# Part of txwebsocket. See LICENSE for details.
"""Pass each message on while it still arrives, and hold none."""


async def relay(request, client, url):
    guest = request.accept()
    async with await client.connect(url) as host:
        async for message in guest.streams():
            await host.sendPieces(message, isText=message.isText)
