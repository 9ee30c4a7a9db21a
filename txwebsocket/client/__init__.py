# Part of txwebsocket. See LICENSE for details.
"""
The client: opening a connection, once or again and again.
"""
