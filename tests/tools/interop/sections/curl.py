# Part of txwebsocket. See LICENSE for details.
"""
The opening handshake by hand, and refusals that people can read.
"""

from checking import ACCEPT, KEY, VERSION, curl, headers, httpURL, lacking
from results import Place, Results
from setting import TCP, Setting

_ASKS = headers("Connection: Upgrade", "Upgrade: websocket")
_UPGRADE = (*_ASKS, *KEY, *VERSION)

_PAGE = ("HTTP/1.1 200 ", "Content-Type: text/html", "<html", "</html>")
_WORDS = "Content-Type: text/plain"
_REQUESTS = {
    "the upgrade by hand is accepted": (
        (*_UPGRADE, "--max-time", "1"),
        ("HTTP/1.1 101 ", ACCEPT),
    ),
    "a plain GET shows the page": ((), _PAGE),
    "an offer of HTTP/2 is passed over": (("--http2",), _PAGE),
    "another version is refused with those that are spoken": (
        (*_ASKS, *KEY, *headers("Sec-WebSocket-Version: 7")),
        ("HTTP/1.1 426 ", "Version: 13", _WORDS, "Version 7 "),
    ),
    "an upgrade that lost its headers on the way is told so": (
        (*KEY, *VERSION),
        ("HTTP/1.1 426 ", "Upgrade: websocket", _WORDS, "proxy"),
    ),
    "a missing key is named": (
        (*_ASKS, *VERSION),
        ("HTTP/1.1 400 ", _WORDS, "Sec-WebSocket-Key must"),
    ),
    "a page from elsewhere is named": (
        (*_UPGRADE, *headers("Origin: https://elsewhere.test")),
        ("HTTP/1.1 403 ", _WORDS, "https://elsewhere.test", "origins"),
    ),
    "only GET upgrades": (
        (*_UPGRADE, "-X", "DELETE"),
        ("HTTP/1.1 405 ", "Allow: GET", _WORDS),
    ),
    "HTTP/1.0 can't be upgraded": (
        (*_UPGRADE, "--http1.0", "--no-alpn"),
        (" 400 ", _WORDS, "HTTP/1.1"),
    ),
}


async def tryCurl(setting: Setting, results: Results) -> None:
    """
    The opening handshake, and refusals that people can read.
    """
    for over, port in (("ws", TCP), ("wss", setting.tlsPort())):
        async with setting.twistd("--port", port) as server:
            url = httpURL(await server.listening())
            for what, (arguments, parts) in _REQUESTS.items():
                why = lacking(await curl(setting, *arguments, url), parts)
                results.check(Place("curl", "twistd", over), what, why)
