# -*- test-case-name: tests.wire -*-
# Part of txwebsocket. See LICENSE for details.
"""
The WebSocket protocol without IO: bytes and calls in, events and bytes out.

Nothing here knows Twisted, a clock or a log.
"""
