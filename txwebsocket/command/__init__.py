# Part of txwebsocket. See LICENSE for details.
"""
``python -m txwebsocket``: a client for a terminal and for pipes.
"""
