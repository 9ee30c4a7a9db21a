# Part of txwebsocket. See LICENSE for details.
"""Have Twisted's own pull producer send a file, as fast as the peer takes it."""

from twisted.protocols.basic import FileSender
from twisted.python.filepath import FilePath

from txwebsocket import WebSocketProtocol


class Movie(WebSocketProtocol):
    path = FilePath("movie.mp4")

    def negotiationFinished(self):
        file = self.path.open()
        sent = FileSender().beginFileTransfer(file, self.connection)
        sent.addCallback(lambda _: self.connection.close())
        sent.addErrback(lambda _: None)  # the peer has left before the end
        sent.addBoth(lambda _: file.close())
