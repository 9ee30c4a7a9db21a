# Part of txwebsocket. See LICENSE for details.
"""
The server that ``twistd websocket`` starts.
"""
