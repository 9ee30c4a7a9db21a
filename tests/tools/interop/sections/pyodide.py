# Part of txwebsocket. See LICENSE for details.
"""
``txwebsocket.browser`` in Python in a browser.
"""

import json

from checking import httpURL
from children import output
from results import Place, Results
from setting import CHROMIUM, DRIVERS, Setting

_WHOLE = 55.0


async def tryPyodide(setting: Setting, results: Results) -> None:
    """
    A conversation from within a page with a site of ours, which serves the page, too.
    """
    place = Place("pyodide", "browser", "ws")
    pyodide = str(setting.nodeModules / "pyodide")
    async with setting.driver("pyodide_site.py", "server", pyodide=pyodide) as site:
        _, text = await output(
            "node",
            DRIVERS / "pyodide_page.mjs",
            httpURL(await site.listening()),
            cwd=setting.folder,
            seconds=_WHOLE,
            INTEROP_NODE_MODULES=str(setting.nodeModules),
            CHROMIUM=CHROMIUM,
        )
    try:
        found = json.loads(text)
    except ValueError:
        results.check(place, "the program tells what it found", text[-500:] or "-")
        return
    for each in found:
        results.check(place, each["what"], each["why"])
