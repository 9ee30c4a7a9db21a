# Part of txwebsocket. See LICENSE for details.
"""
The tests of txwebsocket.
"""
