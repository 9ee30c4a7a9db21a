# Part of txwebsocket. See LICENSE for details.
"""
Tests of the protocol core, a module for each of its own.
"""
