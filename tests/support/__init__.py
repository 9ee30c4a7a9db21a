# Part of txwebsocket. See LICENSE for details.
"""
Helpers of the tests: peers in memory, faults, splits, and real sockets.
"""
