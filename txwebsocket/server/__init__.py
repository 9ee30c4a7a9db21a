# Part of txwebsocket. See LICENSE for details.
"""
The server: upgrades of twisted.web requests, and the connections that came of them.
"""
