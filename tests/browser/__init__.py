# Part of txwebsocket. See LICENSE for details.
"""
Tests of the browser's interface.
"""
