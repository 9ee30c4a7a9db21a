# Part of txwebsocket. See LICENSE for details.
"""A room for each path."""

from txwebsocket import WebSocketRouter

rooms = {}


async def room(request):
    people = rooms.setdefault(request.parameters["name"], set())
    connection = request.accept()
    people.add(connection)
    try:
        async for message in connection:
            for person in people:
                person.send(message)
    finally:
        people.discard(connection)


def makeRouter():
    router = WebSocketRouter()
    router.mount("/rooms/{name}", "chat.v1", room)
    return router
