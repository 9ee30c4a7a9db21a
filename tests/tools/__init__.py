# Part of txwebsocket. See LICENSE for details.
"""
Programs that check the package in ways that no unit test can.
"""
