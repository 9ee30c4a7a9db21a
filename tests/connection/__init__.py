# Part of txwebsocket. See LICENSE for details.
"""
Tests of an open connection.
"""
