# Part of txwebsocket. See LICENSE for details.
"""
``python -m txwebsocket wss://...``: a client for a terminal and for pipes.
"""

import sys

from txwebsocket.command.main import main

if __name__ == "__main__":
    main(sys.argv[1:])
