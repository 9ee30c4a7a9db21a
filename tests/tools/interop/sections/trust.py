# Part of txwebsocket. See LICENSE for details.
"""
Whose certificates our client believes.
"""

from certificates import Authority
from checking import echoed, note
from children import Child
from matrix import PEERS
from peers.driver import PROTOCOL
from results import Place, Results
from setting import OURS, Setting


async def tryTrust(setting: Setting, results: Results) -> None:
    """
    Our client connects to whom it is told to trust, and to nobody else.
    """
    ours = setting.authority
    stranger = Authority(setting.folder, "stranger")
    elsewhere = ours.certify("elsewhere.test")
    place = Place("trust", "client", "wss")
    for what, host, certified, authority, isTrusted in (
        (
            "trusts a certificate for the name",
            "localhost",
            setting.certified,
            ours,
            True,
        ),
        (
            "trusts a certificate for the address",
            "127.0.0.1",
            setting.certified,
            ours,
            True,
        ),
        (
            "distrusts another authority",
            "localhost",
            setting.certified,
            stranger,
            False,
        ),
        (
            "trusts the platform's authorities alone by itself",
            "localhost",
            setting.certified,
            None,
            False,
        ),
        (
            "distrusts a certificate for another name",
            "localhost",
            elsewhere,
            ours,
            False,
        ),
    ):
        trust = {"authority": authority.path} if authority else {}
        async with (
            setting.driver(PEERS["websockets"].driver, "server", **certified) as server,
            setting.driver(OURS, "client", **trust) as client,
        ):
            url = (await server.listening()).replace("127.0.0.1", host)
            step = _echoedOverTLS if isTrusted else _refusedByUs
            await note(results, place, what, step(client, url))


async def _echoedOverTLS(client: Child, url: str) -> None:
    await echoed(client, PROTOCOL, url=url)


async def _refusedByUs(client: Child, url: str) -> str:
    """
    See that our client does not connect, and knows what it was doing.
    """
    client.tell("connect", url=url, protocols=[PROTOCOL])
    facts = await client.expect("refused")
    return "" if facts["step"] == "TLS" else f"{facts}"
