# Part of txwebsocket. See LICENSE for details.
"""
Tests of ``python -m txwebsocket``.
"""
