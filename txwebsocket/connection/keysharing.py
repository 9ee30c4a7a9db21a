# -*- test-case-name: tests.connection.test_keysharing -*-
# Part of txwebsocket. See LICENSE for details.
"""
Less memory for each connection.

CPython keeps the names of attributes once for all objects of a class, and in each of
them the values only; but it learns the names from the first few (PEP 412). Of many
connections that arrive at once all are there before any of them has done a thing, and
what is set later gives each a table of its own, of 0.8 or 1.5 KiB. So the classes of
which every connection has an object are shown beforehand what will be set.

A name that is missing here costs memory, and one that is never set a few bytes; nothing
else depends on them.
"""

from typing import Any

from twisted.internet import tcp
from twisted.web.http import HTTPChannel

# What is set in a transport from its beginning to its end.
_TRANSPORT = """
    _tempDataBuffer _tempDataLen bufferSize connected dataBuffer disconnected
    disconnecting fileno logstr offset producer producerPaused protocol reactor socket
    streamingProducer
"""
_SERVERS = "client hostname repstr server sessionno"
_CLIENTS = "_requiresResolution addr connector doRead doWrite realAddress"
# And in a channel that is taken over. CPython has no room for one more.
_CHANNEL = """
    _HTTPChannel__first_line _HTTPChannel__header _TimeoutMixin__timeoutCall _buffer
    _busyReceiving _command _dataBuffer _handlingRequest _networkProducer _path
    _receivedHeaderCount _receivedHeaderSize _savedTimeOut _transferDecoder _version
    callLater connected connectionLost dataReceived factory length line_mode persistent
    rawDataReceived requestFactory requests site timeOut transport
"""


def presetTransportKeys() -> None:
    """
    Show the transports of TCP what they will have while they are open.
    """
    _show(tcp.Server, _TRANSPORT + _SERVERS)
    _show(tcp.Client, _TRANSPORT + _CLIENTS)


def presetChannelKeys(kind: type[HTTPChannel]) -> None:
    """
    Show a kind of channel what it will have when its connection has been taken over.
    """
    _show(kind, _CHANNEL)


def _show(kind: Any, names: str) -> None:
    example = kind.__new__(kind)
    for name in names.split():
        setattr(example, name, None)
