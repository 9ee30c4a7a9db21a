# Part of txwebsocket. See LICENSE for details.
"""
What Twisted finds of txwebsocket. Every twistd and trial reads this file, so that it
imports nothing of ours.
"""

from twisted.application.service import ServiceMaker

websocket = ServiceMaker(
    "txwebsocket",
    "txwebsocket.tap",
    "Serve WebSockets: an echo with a page, files, or an application of yours.",
    "websocket",
)
