# Part of txwebsocket. See LICENSE for details.
"""
An open WebSocket on a Twisted transport.
"""
