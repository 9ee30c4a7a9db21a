# Part of txwebsocket. See LICENSE for details.
"""
What Twisted's reactor alone costs: the opening is answered, and then as many prepared
frames are sent as have arrived, which are neither parsed nor unmasked.

    floor_twisted.py PORT
"""

import sys
from base64 import b64encode
from hashlib import sha1

from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
REPLY = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n"
)


def acceptFor(head):
    [key] = [
        line.split(b":")[1].strip()
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"sec-websocket-key:")
    ]
    return b64encode(sha1(key + GUID).digest())


class Floor(Protocol):
    def connectionMade(self):
        self.transport.setTcpNoDelay(True)
        self.head = b""
        self.isOpen = False
        self.frame = b""
        self.pending = 0

    def dataReceived(self, data):
        if not self.isOpen:
            self.open(data)
            return
        if not self.frame:
            self.learn(data)
        count, self.pending = divmod(self.pending + len(data), self.size)
        if count:
            self.transport.write(self.frame * count)

    def open(self, data):
        self.head += data
        if b"\r\n\r\n" in self.head:
            self.isOpen = True
            self.transport.write(REPLY % acceptFor(self.head))

    def learn(self, data):
        """
        All frames will be as the first one is.
        """
        length = data[1] & 127
        extra = {126: 2, 127: 8}.get(length, 0)
        size = int.from_bytes(data[2 : 2 + extra], "big") if extra else length
        head = data[:1] + bytes([length]) + data[2 : 2 + extra]
        self.frame = head + b"x" * size
        self.size = len(head) + 4 + size


reactor.listenTCP(
    int(sys.argv[1]), Factory.forProtocol(Floor), interface="127.0.0.1", backlog=4096
)
reactor.run()
