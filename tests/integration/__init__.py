# Part of txwebsocket. See LICENSE for details.
"""
Tests of what crosses packages.
"""
