# Part of txwebsocket. See LICENSE for details.
"""
A WebSocket beside pages, below authentication, and asked for in HTTP/2.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from checking import KEY, VERSION, curl, echoed, httpURL, lacking, note
from children import Child
from matrix import PEERS
from results import Place, Results
from setting import OURS, Setting

_MARK = "-- "
_COUNT = f"\n%{{num_connects}} new connections\n{_MARK}"
_MEMBERS = ["HTTP/1.1 200 ", "<title>members"]
_PAGES = {
    "": ["HTTP/1.1 200 ", "<title>home"],
    "about": ["HTTP/1.1 200 ", "<title>about"],
    "chat": ["HTTP/1.1 200 ", "<title>chat"],
    "members/chat": ["HTTP/1.1 401 ", "WWW-Authenticate: basic"],
}


async def tryEmbedding(setting: Setting, results: Results) -> None:
    """
    A WebSocket beside pages, below authentication, and asked for in HTTP/2.
    """
    async with (
        _embedding(setting) as url,
        setting.driver(PEERS["websockets"].driver, "client") as theirs,
        setting.driver(OURS, "client") as ours,
    ):
        place = Place("embedding", "Site", "ws")
        for path, parts in _PAGES.items():
            why = lacking(await curl(setting, httpURL(url) + path), parts)
            results.check(place, f"GET /{path}", why)
        member = url.replace("//", "//member:secret@")
        why = lacking(await curl(setting, httpURL(member) + "members/chat"), _MEMBERS)
        results.check(place, "GET /members/chat with a password", why)
        for name, client in {"websockets": theirs, "txwebsocket": ours}.items():
            for path in ("chat", "chat/"):
                talk = echoed(client, url=url + path)
                await note(results, place, f"{name} talks at /{path}", talk)
            what = f"{name} needs a password at /members/chat"
            await note(results, place, what, _unauthorized(client, url))
            talk = echoed(client, url=member + "members/chat")
            await note(results, place, f"{name} talks at /members/chat with it", talk)
    async with _embedding(setting, **setting.certified) as url:
        await _tryHTTP2(setting, results, httpURL(url))


async def _tryHTTP2(setting: Setting, results: Results, url: str) -> None:
    place = Place("embedding", "Site", "HTTP/2")
    text = await curl(setting, "--http2", url + "chat")
    why = lacking(text, ["HTTP/2 200", "<title>chat"])
    results.check(place, "GET /chat", why)
    # Both on one connection, which has to survive the refusal.
    asks = ("--http2", "-w", _COUNT, *KEY, *VERSION)
    text = await curl(setting, *asks, url + "chat", url + "about")
    refusal, _, after = text.partition(_MARK)
    why = lacking(refusal, ["HTTP/2 426", "text/plain", "over HTTP/1.1"])
    results.check(place, "an upgrade is refused", why)
    why = lacking(after, ["HTTP/2 200", "<title>about", "0 new connections"])
    results.check(place, "GET /about after that, on the same connection", why)


@asynccontextmanager
async def _embedding(setting: Setting, **certified: str) -> AsyncIterator[str]:
    async with setting.driver("embedding.py", "server", **certified) as server:
        yield await server.listening()


async def _unauthorized(client: Child, url: str) -> str:
    client.tell("connect", url=url + "members/chat", protocols=[])
    return lacking((await client.expect("refused"))["why"], ["401"])
