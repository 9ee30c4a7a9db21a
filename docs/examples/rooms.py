# Part of txwebsocket. See LICENSE for details.
"""A room for each path."""

from txwebsocket import ConnectionClosed, WebSocketRouter

rooms = {}


def say(people, message):
    for person in list(people):
        try:
            person.send(message)
        except ConnectionClosed:
            pass  # who is about to leave


async def room(request):
    name = request.parameters["name"]
    connection = request.accept()
    people = rooms.setdefault(name, set())
    people.add(connection)
    try:
        async for message in connection:
            say(people, message)
    finally:
        people.discard(connection)
        if not people:
            rooms.pop(name, None)


def makeRouter():
    router = WebSocketRouter()
    router.mount("/rooms/{name}", "chat.v1", room)
    return router
