# Part of txwebsocket. See LICENSE for details.
"""
What the sections check with.
"""

from collections.abc import Awaitable, Sequence
from hashlib import sha256

from children import Child, OutOfStep, output
from conversations import Different
from results import Place, Results
from setting import Setting


def headers(*lines: str) -> tuple[str, ...]:
    """
    The arguments of curl for these headers.
    """
    return tuple(word for line in lines for word in ("-H", line))


# The example of RFC 6455, 1.3.
KEY = headers("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
ACCEPT = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
VERSION = headers("Sec-WebSocket-Version: 13")


async def note(
    results: Results, place: Place, what: str, step: Awaitable[str | None]
) -> None:
    """
    Take down a check.

    :param step: returns what was wrong, if anything was.
    """
    try:
        why = await step or ""
    except (Different, OutOfStep) as error:
        why = str(error)
    results.check(place, what, why)


def lacking(text: str, parts: Sequence[str]) -> str:
    """
    What is wrong with a text that should have these parts.
    """
    missing = [part for part in parts if part not in text]
    return f"no {missing} in {text[:500]!r}" if missing else ""


async def curl(setting: Setting, *arguments: str) -> str:
    """
    All that curl shows of its answers, headers included.
    """
    always = ("-sS", "-i", "-N", "--max-time", "2")
    trusted = ("--cacert", setting.authority.path)
    _, text = await output("curl", *always, *trusted, *arguments, cwd=setting.folder)
    return text


def httpURL(url: str) -> str:
    return url.replace("ws", "http", 1)


async def echoed(client: Child, *protocols: str, **where: str) -> None:
    """
    Connect a client, and see that what it says is echoed.
    """
    client.tell("connect", protocols=protocols, **where)
    await client.expect("open")
    client.tell("say", text="hello")
    facts = await client.expect("message")
    if facts["sha256"] != sha256(b"hello").hexdigest():
        raise Different(f"the echo of 'hello' is {facts}")
