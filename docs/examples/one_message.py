# Part of txwebsocket. See LICENSE for details.
"""Send a file of any size as one message, no faster than the peer takes it."""

from twisted.protocols.basic import FileSender


async def download(request, path="movie.mp4"):
    connection = request.accept()
    with open(path, "rb") as file:
        async with connection.sendStream() as message:
            await FileSender().beginFileTransfer(file, message)
