# Part of txwebsocket. See LICENSE for details.
"""
Tests of the opening handshake, and of those of proxies.
"""
