# Part of txwebsocket. See LICENSE for details.
"""Send a large file in messages, no faster than the peer takes them."""

CHUNK = 64 * 1024


async def download(request, path="movie.mp4"):
    connection = request.accept()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            connection.send(chunk)
            await connection.drained()
