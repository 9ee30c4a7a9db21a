# Part of txwebsocket. See LICENSE for details.
"""
Any Twisted protocol over the messages of a WebSocket.
"""
