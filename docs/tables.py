# Part of txwebsocket. See LICENSE for details.
"""
Tables of the manual that are drawn from the code, so that they can't be wrong.
"""

from collections.abc import Iterable, Sequence

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from txwebsocket import CloseCause, CloseCode, State
from txwebsocket.wire.codes import isSendable
from txwebsocket.wire.states import TRANSITIONS, Transition


class _Table(SphinxDirective):
    """
    A directive without arguments that stands for a list-table.
    """

    def rows(self) -> Iterable[Sequence[str]]:
        """
        The head and the rows, in reStructuredText.
        """
        raise LookupError

    def run(self) -> list[nodes.Node]:
        """
        Called by Sphinx.
        """
        lines = [".. list-table::", "   :header-rows: 1", ""]
        for row in self.rows():
            first, *others = row
            lines.append(f"   * - {first}")
            lines += [f"     - {cell}" for cell in others]
        content = nodes.container()
        self.state.nested_parse(StringList(lines), self.content_offset, content)
        return content.children


class CloseCauses(_Table):
    """
    All causes of a close report.
    """

    def rows(self) -> Iterable[Sequence[str]]:
        """
        A cause in each row.
        """
        yield "Cause", "What happened"
        for cause in CloseCause:
            yield f"``{cause.name}``", cause.value


class CloseCodes(_Table):
    """
    All codes of the standard.
    """

    def rows(self) -> Iterable[Sequence[str]]:
        """
        A code in each row.
        """
        yield "Code", "Name", "Meaning", "Can be sent"
        for code in CloseCode:
            sendable = "yes" if isSendable(code) else "no"
            yield str(int(code)), f"``{code.name}``", code.description, sendable


class StateTable(_Table):
    """
    What every step leads to in every state.
    """

    def rows(self) -> Iterable[Sequence[str]]:
        """
        A step in each row, a state in each column.
        """
        yield "", *(f"{state.name}" for state in State)
        for step in Transition:
            yield (
                f"**{step.name}**: {step.value}",
                *(self._cell(state, step) for state in State),
            )

    @staticmethod
    def _cell(state: State, step: Transition) -> str:
        following = TRANSITIONS.get((state, step))
        return "\\ " if following is None else f"→ {following.name}"


def setup(app: Sphinx) -> dict[str, bool]:
    """
    Called by Sphinx.
    """
    app.add_directive("close-causes", CloseCauses)
    app.add_directive("close-codes", CloseCodes)
    app.add_directive("state-table", StateTable)
    return {"parallel_read_safe": True}
