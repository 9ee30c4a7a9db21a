# Part of txwebsocket. See LICENSE for details.
"""Say why a connection ended."""

from txwebsocket import CloseCause, WebSocketProtocol


class Explaining(WebSocketProtocol):
    def connectionLost(self, reason):
        report = reason.value.report
        if report.cause is CloseCause.KEEPALIVE_TIMEOUT:
            print("The peer is gone without a word.")
        elif not report.wasClean:
            print(f"It ended badly: {report}")
