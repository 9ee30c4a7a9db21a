# Part of txwebsocket. See LICENSE for details.
"""
Tests of streams of bytes over messages.
"""
