# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket.core.report`.
"""

from dataclasses import FrozenInstanceError

from twisted.trial.unittest import SynchronousTestCase

from txwebsocket.wire.codes import CloseCause, CloseCode
from txwebsocket.wire.report import CloseReport

CLEAN = CloseReport(
    cause=CloseCause.LOCAL_CLOSE,
    wasClean=True,
    closeSent=True,
    sentCode=CloseCode.NORMAL,
    sentReason="bye",
    receivedCode=1001,
    receivedReason="see you",
    closeReceived=True,
)


class CloseReportTests(SynchronousTestCase):
    """
    Tests of :class:`CloseReport`.
    """

    def test_peersWords(self) -> None:
        """
        As in a browser, code and reason are the peer's.
        """
        self.assertEqual((CLEAN.code, CLEAN.reason), (1001, "see you"))

    def test_noCode(self) -> None:
        """
        A close frame without a code counts as 1005.
        """
        report = CloseReport(
            cause=CloseCause.PEER_CLOSE, wasClean=True, closeReceived=True
        )
        self.assertEqual((report.code, report.reason), (1005, ""))

    def test_noCloseFrame(self) -> None:
        """
        Without a close frame of the peer the code is 1006, whatever we sent.
        """
        report = CloseReport(
            cause=CloseCause.PEER_LOST, wasClean=False, sentCode=1000, sentReason="bye"
        )
        self.assertEqual((report.code, report.reason), (1006, ""))

    def test_text(self) -> None:
        """
        It reads as what happened, followed by both sides' words.
        """
        self.assertEqual(
            str(CLEAN),
            "we asked to close; sent 1000 'bye'; received 1001 'see you'",
        )

    def test_textOfFault(self) -> None:
        """
        The text names the rule that was broken and what was not sent.
        """
        report = CloseReport(
            cause=CloseCause.PEER_FAULT,
            wasClean=False,
            closeSent=True,
            sentCode=CloseCode.PROTOCOL_ERROR,
            detail="opcode 3 is unknown",
            messagesDropped=3,
            bytesUnsent=17,
        )
        self.assertEqual(
            str(report),
            "the peer broke the protocol: opcode 3 is unknown; sent 1002; "
            "3 messages were dropped; 17 bytes had not been sent",
        )

    def test_textWithoutCode(self) -> None:
        """
        A close frame without a code is told as 1005, on either side. A frame that there
        was not is not told.
        """
        for sent, received, words in (
            (False, True, "; received 1005"),
            (True, False, "; sent 1005"),
            (True, True, "; sent 1005; received 1005"),
            (False, False, ""),
        ):
            report = CloseReport(
                cause=CloseCause.PEER_CLOSE,
                wasClean=True,
                closeSent=sent,
                closeReceived=received,
            )
            self.assertEqual(str(report), "the peer asked to close" + words)

    def test_textOfDrop(self) -> None:
        """
        What drop() was given is told, unless our close frame says the same.
        """
        for sent, words in (
            ((False, None, ""), "; dropped with 4000 'enough'"),
            ((True, 1000, "bye"), "; sent 1000 'bye'; dropped with 4000 'enough'"),
            ((True, 4000, "enough"), "; sent 4000 'enough'"),
        ):
            report = CloseReport(
                cause=CloseCause.DROPPED,
                wasClean=False,
                closeSent=sent[0],
                sentCode=sent[1],
                sentReason=sent[2],
                dropCode=4000,
                dropReason="enough",
            )
            self.assertEqual(str(report), f"{CloseCause.DROPPED.value}{words}")

    def test_frozen(self) -> None:
        """
        A report is a fact: nobody can change it.
        """
        self.assertRaises(FrozenInstanceError, setattr, CLEAN, "wasClean", False)
