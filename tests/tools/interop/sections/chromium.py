# Part of txwebsocket. See LICENSE for details.
"""
The page of ``twistd websocket``, in a browser.
"""

import json

from checking import httpURL
from children import output
from results import Place, Results
from setting import CHROMIUM, HERE, TCP, Setting

_DEFAULT_LIMIT = 2**20
# drive.mjs gives itself 60 s.
_WHOLE = 65.0


async def tryChromium(setting: Setting, results: Results) -> None:
    """
    The page of ``twistd websocket``.
    """
    for over, port, flags in (
        ("ws", TCP, ()),
        ("wss", setting.tlsPort(), ("--ignore-https-errors",)),
    ):
        place = Place("chromium", "twistd", over)
        async with setting.twistd("--port", port) as server:
            url = httpURL(await server.listening())
            limit = ("--max-message", str(_DEFAULT_LIMIT))
            _, text = await output(
                "node",
                HERE / "page" / "drive.mjs",
                *(url, *flags, *limit),
                cwd=setting.folder,
                seconds=_WHOLE,
                INTEROP_NODE_MODULES=str(setting.nodeModules),
                CHROMIUM=CHROMIUM,
            )
        try:
            found = json.loads(text)
        except ValueError:
            results.check(place, "drive.mjs tells what it found", text[-500:])
            continue
        for cell in found["cells"]:
            results.cell(place, cell["kind"], cell["size"], cell.get("why", ""))
        for name in found["passed"]:
            results.check(place, name)
        for failed in found["failed"]:
            results.check(place, failed["name"], failed["why"])
