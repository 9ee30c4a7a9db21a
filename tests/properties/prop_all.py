# Part of txwebsocket. See LICENSE for details.
"""
All property-based tests.
"""

from tests.properties.prop_connection import ConnectionProperties
from tests.properties.prop_frames import FrameProperties
from tests.properties.prop_handshake import HandshakeProperties, HeaderProperties
from tests.properties.prop_http import BodyProperties, HeadProperties
from tests.properties.prop_outbox import OutboxProperties
from tests.properties.prop_pieces import PieceProperties
from tests.properties.prop_utf8 import Utf8Properties

__all__ = [
    "BodyProperties",
    "ConnectionProperties",
    "FrameProperties",
    "HandshakeProperties",
    "HeadProperties",
    "HeaderProperties",
    "OutboxProperties",
    "PieceProperties",
    "Utf8Properties",
]
