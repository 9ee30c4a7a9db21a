# Part of txwebsocket. See LICENSE for details.
"""
All property-based tests.
"""

from tests.properties.prop_connection import ConnectionProperties
from tests.properties.prop_deflate import DeflateProperties
from tests.properties.prop_frames import FrameProperties
from tests.properties.prop_handshake import HandshakeProperties, HeaderProperties
from tests.properties.prop_http import BodyProperties, HeadProperties
from tests.properties.prop_outbox import OutboxProperties
from tests.properties.prop_peers import PeerProperties
from tests.properties.prop_pieces import PieceProperties
from tests.properties.prop_utf8 import Utf8Properties

__all__ = [
    "BodyProperties",
    "ConnectionProperties",
    "DeflateProperties",
    "FrameProperties",
    "HandshakeProperties",
    "HeadProperties",
    "HeaderProperties",
    "OutboxProperties",
    "PeerProperties",
    "PieceProperties",
    "Utf8Properties",
]
