# Part of txwebsocket. See LICENSE for details.
"""
Tests of the client.
"""
