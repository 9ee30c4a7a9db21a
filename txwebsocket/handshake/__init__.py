# Part of txwebsocket. See LICENSE for details.
"""
The opening handshake, and those of proxies, without IO.
"""
