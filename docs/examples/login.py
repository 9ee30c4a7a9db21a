# Part of txwebsocket. See LICENSE for details.
"""Look at a request, then talk."""

from txwebsocket import Cookie

USERS = {"s3cret": "Ada"}


async def login(request):
    user = USERS.get(request.cookies.get("sid"))
    if user is None:
        request.reject(401, "log in first")
        return
    connection = request.accept(cookies=[Cookie("seen", "1", maxAge=3600)])
    connection.send(f"hello {user}")
    async for message in connection:
        connection.send(message)
        await connection.flushed()
