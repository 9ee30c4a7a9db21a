# Part of txwebsocket. See LICENSE for details.
"""
What fuzzing starts from, beside the corpus: for each target some inputs that are as
they should be, most of them made by our own encoders.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tests.support.memory import ACCEPT, KEY, MASK, handshake
from tests.support.raw import rawHead
from tests.wire.test_deflate import Deflater, farReaching
from txwebsocket.handshake.opening import ClientHandshake
from txwebsocket.handshake.socks5 import SocksDialogue
from txwebsocket.wire.codes import Opcode
from txwebsocket.wire.control import closePayload
from txwebsocket.wire.deflate import Deflate
from txwebsocket.wire.frames import FIN, encodeFrame
from txwebsocket.wire.grammar import formatExtensions
from txwebsocket.wire.messages import fragment

_DEFLATE = "permessage-deflate"
_UPGRADE = (
    f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {ACCEPT}"
)


def frames() -> Iterator[bytes]:
    """
    Options, a way to cut, and a stream.
    """
    for mask, choices in ((b"", 2), (MASK, 3), (MASK, 1), (b"", 6)):
        start = bytes([choices, 7])
        rsv = 0x40 if choices & 4 else 0
        text = "Grüße €😀".encode()
        for opcode, payload in (
            (Opcode.TEXT, text),
            (Opcode.BINARY, bytes(range(256))),
            (Opcode.PING, b"ping"),
            (Opcode.PONG, b""),
            (Opcode.CLOSE, closePayload(1000, "bye")),
        ):
            flags = FIN | (rsv if opcode < Opcode.CLOSE else 0)
            yield start + encodeFrame(opcode, payload, mask, flags)
        pieces = fragment(Opcode.TEXT, text, 5)
        yield start + b"".join(encodeFrame(o, p, mask, f) for o, p, f in pieces)
        for width, length in ((2, 1000), (8, 70000), (8, 2**63), (2, 3)):
            yield start + rawHead(Opcode.BINARY, length, mask=mask, width=width)
        yield start + encodeFrame(Opcode.TEXT, b"\xed\xa0\x80", mask)
        yield start + encodeFrame(3, b"", mask) + encodeFrame(0, b"", mask)


def connection() -> Iterator[bytes]:
    """
    A way to cut, options, and what happens.
    """
    text, binary = b"\x05\x01\x03abc", b"\x05\x02\x02\xff\xfe"
    ping = b"\x05\x04\x02hi"
    close = b"\x04\x00\x00\x00"
    fragments = b"\x05\x11\x02ab" + b"\x05\x10\x02cd" + b"\x05\x00\x01e"
    packed = b"\x02\x01\x60\x02" + b"\x03\x02\xe0\x00\x07"
    large = b"\x05\x02\xe0\x00\x06"
    send = b"\x0a\x00\x03abc\x00" + b"\x0a\x01\x02hi"
    ours = b"\x0a\x03\x00\x04" + b"\x0a\x05\xff"
    frame = b"\x0a\x04\x02ab\x12" + b"\x0a\x04\x02cd\x00"
    for choices in (0, 1, 2, 4, 8, 16, 17, 33, 49, 64 + 16, 128, 129):
        for story in (text + binary, ping + fragments, packed, large + close):
            yield bytes([9, choices]) + story + send + frame + ours + close
    for how in range(3):
        yield bytes([1, 0]) + text + b"\x0a\x06" + bytes([how]) + text


def incoming() -> Iterator[bytes]:
    """
    A way to cut, options, manners, and what happens.
    """
    text = b"\0\x11\0\x66\3\2"
    packed = b"\0\x13\4\x67\6\1"
    binary = b"\0\0\0\xb7\7\6"
    large = b"\0\0\4\xe0\0\x0c\7"
    bomb = b"\0\2\5\xe0\2\x0c\7"
    open_ = b"\0\x0b\0\x66\2\2"
    spoilt = b"\0\7\3\x66\6\0\3\4"
    again = b"\0\x23\0\x67\6\3"
    far = b"\0\x22\0\2ab\5"
    cutOff = b"\0\3\0\2\xe2\x82\2"
    take = b"\x0b\3"
    close = b"\x0a\x00\x00\x00"
    for choices in (0, 0x17, 0x56, 0x2E, 0x64, 0x92, 0xA7, 0x0D):
        for manner in range(8):
            start = bytes([manner, choices, 1, manner | 0x20, manner ^ 1 | 0x40])
            yield start + text + packed + take + text + binary + open_
            if manner % 4 == 1:
                yield start + large + take + packed + bomb + take + close
            yield start + again + take + far + take + text
            yield start + packed * 2 + take + (cutOff if manner & 1 else spoilt) + text


def outgoing() -> Iterator[bytes]:
    """
    A way to cut, options, a policy, and what happens.
    """
    word, octets = b"\x66\6\1", b"\xb7\x61\0"
    odd, large = b"\3\xff\xfe\xfd\1", b"\xe0\0\x0c\0"
    text, binary, plain, end = b"\2\1", b"\2\0", b"\2\2", b"\3"
    stall, goOn, ping, breakOff, cancel = b"\7", b"\x08", b"\6", b"\x09", b"\x0d"
    sent = b"\5" + word + b"\5" + octets
    inTurn = text + b"\0" + word + ping + b"\0" + word + end + sent
    inTwo = b"\4\2" + word + word + b"\x0e\3" + octets * 3
    tooMuch = binary + (b"\0" + large) * 3 + end + plain + end
    refused = text + b"\0" + odd + b"\0" + octets + end + b"\4\2" + word + octets
    broken = text + breakOff + sent + b"\x0e\2" + word + octets + sent
    for choices in (0, 0x05, 0x0A, 0x0F, 0x1C, 0x15):
        for policy in range(4):
            start = bytes([choices ^ policy, choices, policy])
            yield start + inTurn + inTwo + stall + inTurn + goOn + refused
            yield start + stall + tooMuch + inTurn + goOn + inTurn
            yield start + stall + b"\4\4" + large * 4 + inTurn + cancel + sent
            yield start + broken + tooMuch


def inflate() -> Iterator[bytes]:
    """
    Options, and messages with their lengths.
    """
    messages = (b"", b"Hello", b"Hello", b"a" * 5000, farReaching(300))
    for choices in (7, 15, 1, 9, 0x37, 0x47, 0x57, 0x67):
        deflater = Deflater(max(9, 8 + (choices & 7)), bool(choices & 8))
        packed = [deflater(message) for message in messages]
        yield bytes([choices]) + b"".join(bytes([len(p)]) + p for p in packed)
    # A block that says it is the last (RFC 7692, 7.2.3.4).
    yield bytes([0x37, 8]) + bytes.fromhex("f348cdc9c9070000")
    yield bytes([0x37, 250]) + bytes.fromhex("0300") * 120 + b"\xf3\x48"
    yield bytes([0x67, 255]) + Deflater(15, level=9)(bytes(2 * 2**20))[:1900]


def negotiate() -> Iterator[bytes]:
    """
    Two sides' options, and a header.
    """
    for choices in ((0, 0), (1, 0x3F), (2, 0x1B), (3, 0x07)):
        options = bytes([*choices, *choices])
        for header in (
            formatExtensions(Deflate().offers()),
            f"{_DEFLATE}; server_max_window_bits=8, {_DEFLATE}; client_max_window_bits",
            f'{_DEFLATE}; client_max_window_bits="10"; server_no_context_takeover',
            f"x-other; a=b, {_DEFLATE}; client_no_context_takeover",
        ):
            yield options + header.encode()


def offer() -> Iterator[bytes]:
    """
    A method, a version, and headers.
    """
    for lines in _requests():
        head = handshake(*lines).split(b"\r\n")[1:-2]
        yield b"\n".join([b"GET", b"HTTP/1.1", *(h.replace(b": ", b":") for h in head)])
    yield b"POST\nHTTP/1.1"
    yield b"GET\nHTTP/1.0"


def _requests() -> Iterable[tuple[str, ...]]:
    yield ()
    yield "Sec-WebSocket-Version: 8", "Sec-WebSocket-Origin: http://example.com"
    yield ("Sec-WebSocket-Version: 7",)
    yield "Origin: http://example.com", "Sec-WebSocket-Protocol: v1, chat"
    yield (f"Sec-WebSocket-Extensions: {_DEFLATE}; client_max_window_bits",)
    yield "Upgrade: h2c, WebSocket/13", "Connection: keep-alive, Upgrade"
    yield "Content-Length: 5", "Cookie: a=b; c"
    yield "X-Forwarded-For: 10.0.0.1, 192.168.0.1", "Transfer-Encoding: chunked"


def server() -> Iterator[bytes]:
    """
    A way to cut, a request, and what follows it.
    """
    frames = encodeFrame(Opcode.TEXT, b"hello", MASK)
    frames += encodeFrame(Opcode.CLOSE, closePayload(1000, ""), MASK)
    for seed, lines in enumerate(_requests()):
        yield bytes([seed]) + handshake(*lines) + frames
    yield b"\x01" + handshake(path="/other?x=%ff", method="HEAD")
    yield b"\x02" + handshake(version="HTTP/1.0") + b"GET / HTTP/1.1\r\n\r\n"
    yield b"\x03" + handshake(without=["Upgrade", "Connection"])


def answer() -> Iterator[bytes]:
    """
    What was asked for, a way to cut, and a response.
    """
    key = ClientHandshake(host="h", target="/", key=KEY).key.encode()
    accepted = f"HTTP/1.1 101 Switching Protocols\r\n{_UPGRADE}\r\n"
    body = "5\r\nhello\r\n0\r\n\r\n"
    for choices, text in (
        (0, f"{accepted}\r\n"),
        (8, f"{accepted}Sec-WebSocket-Protocol: chat\r\n\r\n"),
        (16, f"{accepted}Sec-WebSocket-Extensions: {_DEFLATE}\r\n\r\n"),
        (0, f"HTTP/1.1 100 Continue\r\n\r\n{accepted}\r\n"),
        (0, "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello"),
        (1, f"HTTP/1.0 503\r\nTransfer-Encoding: chunked\r\n\r\n{body}"),
        (32, "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\n\r\nhello"),
        (32, "HTTP/1.1 103\r\nLink: x\r\n\r\n"),
        (0, "HTTP/1.1 302 Found\r\nLocation: /other?y=2\r\n\r\n"),
        (1, "HTTP/1.1 307 x\r\nLocation: https://other.example:8/é#f\r\n\r\n"),
        (2, "HTTP/1.1 301 x\r\nLocation: //[::2]:9/a/../b\r\n\r\n"),
        (3, "HTTP/1.1 308 x\r\nLocation: ws://user:secret@h/\r\n\r\n"),
    ):
        yield bytes([choices, 5]) + text.encode()
    yield b"\x00\x03" + key


def proxy() -> Iterator[bytes]:
    """
    What is asked for, a way to cut, and what a proxy says.
    """
    for choices in (0, 2, 4, 8):
        for head in ("200 OK", "407 No\r\nContent-Length: 2", "502 x"):
            yield bytes([choices, 3]) + f"HTTP/1.1 {head}\r\n\r\nrest".encode()
    [five, *_] = SocksDialogue("h", 1).initialRequest()
    addresses = (b"\x01\x7f\0\0\1", b"\x03\x04host", b"\x04" + bytes(16))
    for choices, method in ((1, b"\0"), (9, b"\2\1\0"), (3, b"\xff"), (9, b"\2\1\1")):
        for address in addresses:
            reply = bytes([five, 0, 0]) + address + b"\0\x50rest"
            yield bytes([choices, 3, five]) + method + reply
    yield bytes([1, 3, five, 0, five, 5, 0, 1])


def value() -> Iterator[bytes]:
    """
    Which header, and its lines.
    """
    lists = ("chat, v2", "websocket/13,h2c", f'{_DEFLATE}; a="b"; c=d, x', ",, a ,")
    for kind in range(3):
        yield from (bytes([kind]) + text.encode() for text in lists)
    for origin in (
        "https://a.example:8443\nh",
        "http://a.example\na.example",
        "https://x.y.b.example\nq",
        "app://x\nx",
        "http://[::1]:80\n[::1]",
        "null",
    ):
        yield b"\x03" + origin.encode()
    yield b"\x04" + b"192.0.2.7, 10.0.0.1\n::ffff:127.0.0.1, fe80::1"
    yield b"\x04" + b'for="[2001:db8::1]:80";host="a, for=b", for=10.0.0.1:_x'
    yield b"\x05" + b"name\nvalue\n/path\nExample.com"
    yield b'\x05name\n"value"'
    yield b"\x06X-Name\nvalue"
    yield b"\x06" + KEY.encode()
    yield from (
        b"\x07" + p for p in (b"/", b"/a/r%20m", b"/x/a%2Fb/%F0%9F%98%80", b"*")
    )


def url() -> Iterator[bytes]:
    """
    How to read bytes as text, and a URL.
    """
    for text in (
        "ws://example.com/",
        "wss://user:pass%20word@example.com:8443/a%2Fb?q=1&r",
        "ws://[2001:db8::1]:80/",
        "ws://bücher.example/ä?ö",
        "ws+unix:/run/my%3Asocket:/path?q",
        "ws+unix:///run/socket",
        "ws://h:/x#f",
        "proxy:3128",
        "http://user:secret@proxy.example:3128",
        "socks5h://[::1]",
        "192.0.2.0/24, .example.com:81 *",
    ):
        yield b"\0" + text.encode()


SEEDS: dict[str, Callable[[], Iterator[bytes]]] = {
    each.__name__: each
    for each in (
        frames,
        connection,
        incoming,
        outgoing,
        inflate,
        negotiate,
        offer,
        server,
        answer,
        proxy,
        value,
        url,
    )
}


def write(name: str, folder: Path) -> None:
    """
    Write the inputs for a target, a file each.
    """
    for number, data in enumerate(SEEDS[name]()):
        (folder / f"seed-{number:02}").write_bytes(data)
