# Part of txwebsocket. See LICENSE for details.
"""A room for each path."""

from txwebsocket import WebSocketRouter

router = WebSocketRouter()
rooms = {}


async def room(request):
    name = request.parameters["name"]
    connection = request.accept()
    people = rooms.setdefault(name, set())
    people.add(connection)
    try:
        async for message in connection:
            router.server.broadcast(message, to=people)
    finally:
        people.discard(connection)
        if not people:
            rooms.pop(name, None)


router.mount("/rooms/{name}", "chat.v1", room)
