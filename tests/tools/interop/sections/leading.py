# Part of txwebsocket. See LICENSE for details.
"""
Where redirects lead our client, and with what cookies.
"""

from checking import echoed, lacking, note
from children import Child
from results import Place, Results
from setting import OURS, Setting

_LIMIT = 4
_PASSWORD = "hunter2"
_REFUSALS = {
    "a circle is left at the limit": ("circle", ["301", f"maxRedirects is {_LIMIT}"]),
    "without a password it gets as far as the cookie": ("start", ["/known", "401"]),
    "what is not there is told with its URL": ("nowhere", ["/nowhere", "404"]),
}


async def tryLeading(setting: Setting, results: Results) -> None:
    """
    Our client goes where a server of Node leads it, and not everywhere.
    """
    for over, certified in (("ws", {}), ("wss", setting.certified)):
        place = Place("leading", "client", over)
        trust = {"authority": setting.authority.path} if certified else {}
        async with (
            setting.driver("leading.mjs", "server", **certified) as server,
            setting.driver(OURS, "client", redirects=_LIMIT, **trust) as client,
            setting.driver(OURS, "client", **trust) as stayer,
        ):
            url = await server.listening()
            start = url.replace("//", f"//ada:{_PASSWORD}@") + "start"
            for what, (path, parts) in _REFUSALS.items():
                step = _refused(client, url + path, parts)
                await note(results, place, what, step)
            if certified:
                step = _refused(client, url + "plain", ["308", "not secure"])
                await note(results, place, "TLS is not left", step)
            what = "redirects and cookies lead to another server"
            await note(results, place, what, echoed(client, url=start))
            step = _refused(stayer, start, ["302"])
            await note(results, place, "none is followed unasked", step)


async def _refused(client: Child, url: str, parts: list[str]) -> str:
    client.tell("connect", url=url, protocols=[])
    facts = await client.expect("refused")
    if _PASSWORD in facts["why"]:
        return f"the password is told: {facts}"
    return lacking(facts["why"], parts)
