# Part of txwebsocket. See LICENSE for details.
"""
Applications that the tests run.
"""
