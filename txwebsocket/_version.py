# Part of txwebsocket. See LICENSE for details.
"""
The version, kept here and nowhere else.
"""

__version__ = "0.1.0"
