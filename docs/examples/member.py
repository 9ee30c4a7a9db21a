# Part of txwebsocket. See LICENSE for details.
"""Log in on a page, then connect with its cookies, wherever the server redirects to."""

import sys
from http.cookiejar import CookieJar

from twisted.internet.defer import ensureDeferred
from twisted.internet.task import react
from twisted.web.client import Agent, CookieAgent, readBody

from txwebsocket import ClientConfig, WebSocketClient


async def enter(reactor, page, url):
    jar = CookieJar()
    agent = CookieAgent(Agent(reactor), jar)
    await readBody(await agent.request(b"GET", page.encode("ascii")))
    client = WebSocketClient(reactor, ClientConfig(maxRedirects=5), cookieJar=jar)
    async with await client.connect(url) as connection:
        print("connected to", connection.url)
        print(await connection.receive())


if __name__ == "__main__":
    react(lambda reactor: ensureDeferred(enter(reactor, *sys.argv[1:])))
