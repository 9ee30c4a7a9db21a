# Part of txwebsocket. See LICENSE for details.
"""
The browser's WebSocket interface, for Python in a browser (Pyodide) and elsewhere.
"""

from txwebsocket.browser.native import version, w3cwebsocket

__all__ = ["version", "w3cwebsocket"]
