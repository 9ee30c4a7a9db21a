# Part of txwebsocket. See LICENSE for details.
"""
Finds tests that check nothing: each has to make an assertion, or to use something that
makes one.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
ASSERTION = re.compile(
    r"(assert|check)\w*|fail|fail(If|Unless)\w*|(success|failure)ResultOf"
)

Function = ast.FunctionDef | ast.AsyncFunctionDef


def namesIn(function: Function) -> Iterator[str]:
    """
    What a function's body mentions; handing a method to ``addCallback`` is a use, too.
    """
    for statement in function.body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Attribute):
                yield node.attr
            elif isinstance(node, ast.Name):
                yield node.id


def idleTests(tree: ast.AST) -> Iterator[Function]:
    """
    The tests of a module that check nothing.

    What the module defines itself is believed to assert something if it does so; what
    comes from elsewhere, if it is called ``assert…`` or ``check…``.
    """
    functions = [node for node in ast.walk(tree) if isinstance(node, Function)]
    names = {function: set(namesIn(function)) for function in functions}
    asserting = set(filter(ASSERTION.fullmatch, set().union(*names.values())))
    asserting -= {function.name for function in functions}
    known = -1
    while known < len(asserting):
        known = len(asserting)
        asserting |= {f.name for f in functions if names[f] & asserting}
    for function in functions:
        if function.name.startswith("test_") and not names[function] & asserting:
            yield function


def main() -> int:
    """
    Print where the idle tests are.
    """
    idle = [
        f"{path.relative_to(TESTS.parent)}:{function.lineno}: {function.name}"
        for path in sorted(TESTS.rglob("*.py"))
        for function in idleTests(ast.parse(path.read_text(encoding="utf-8")))
    ]
    for place in idle:
        print(f"{place} makes no assertion")
    return 1 if idle else 0


if __name__ == "__main__":
    sys.exit(main())
