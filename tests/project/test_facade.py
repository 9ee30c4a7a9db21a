# Part of txwebsocket. See LICENSE for details.
"""
Tests of :mod:`txwebsocket` itself, the only public door.
"""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cached_property
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

import txwebsocket

PACKAGE = Path(txwebsocket.__file__).parent
CHECKOUT = Path(__file__).resolve().parents[2]

# The modules that need no Twisted, but for the protocol core.
BEFORE_TWISTED = (
    "txwebsocket._version",
    "txwebsocket.browser",
    "txwebsocket.browser.api",
    "txwebsocket.browser.dom",
    "txwebsocket.browser.native",
    "txwebsocket.config",
    "txwebsocket.handshake",
    "txwebsocket.handshake.addresses",
    "txwebsocket.handshake.cookies",
    "txwebsocket.handshake.forwarded",
    "txwebsocket.handshake.hosts",
    "txwebsocket.handshake.opening",
    "txwebsocket.handshake.origins",
    "txwebsocket.handshake.response",
    "txwebsocket.handshake.targets",
)

# A browser's Python, which has none of what Twisted needs.
IN_BROWSER = """
import sys
from types import ModuleType

MISSING = {"twisted", "zope", "OpenSSL", "hyperlink", "incremental", "attr"}

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in MISSING:
            raise ImportError(f"{name} was asked for")

sys.platform = "emscripten"
sys.modules["js"] = ModuleType("js")
sys.modules["pyodide"] = ModuleType("pyodide")
sys.modules["pyodide"].ffi = ModuleType("pyodide.ffi")
sys.meta_path.insert(0, Blocked())
"""


def run(program: str) -> str:
    """
    Run a program in a fresh interpreter; return what it prints, errors included.
    """
    paths = [str(PACKAGE.parent), os.environ.get("PYTHONPATH", "")]
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return ran.stdout.strip()


def publicMembers(kind: type) -> Iterator[tuple[str, Any]]:
    """
    The methods and properties that a class defines for its users.
    """
    for name, value in vars(kind).items():
        member = getattr(value, "__func__", value)
        if not name.startswith("_") and isinstance(member, FunctionType | property):
            yield name, member


def documentedVariables(source: str) -> Iterator[str]:
    """
    The variables of a module, and the fields of its classes with the class's name in
    front, that a string below them describes.
    """
    tree = ast.parse(source)
    for owner in [tree, *tree.body]:
        if isinstance(owner, ast.Module | ast.ClassDef):
            prefix = f"{owner.name}." if isinstance(owner, ast.ClassDef) else ""
            for statement, below in pairwise(owner.body):
                if isinstance(below, ast.Expr):
                    yield from (prefix + name for name in assignedBy(statement))


def assignedBy(statement: ast.stmt) -> list[str]:
    """
    The names that a statement gives a value, or an annotation.
    """
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]


class NamesTests(SynchronousTestCase):
    """
    Tests of the list of public names.
    """

    @cached_property
    def variables(self) -> set[str]:
        """
        What is described, in all modules.
        """
        sources = (path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
        return {name for source in sources for name in documentedVariables(source)}

    def test_sorted(self) -> None:
        """
        The list is in order, constants first, and names nothing twice.
        """
        names = txwebsocket.__all__
        ordered = sorted(set(names), key=lambda name: (not name.isupper(), name))
        self.assertEqual(names, ordered)

    def test_complete(self) -> None:
        """
        What can be imported from here without an underscore is in the list, but for the
        modules.
        """
        found = {
            name
            for name, value in vars(txwebsocket).items()
            if not name.startswith("_") and not isinstance(value, ModuleType)
        }
        self.assertEqual(found, set(txwebsocket.__all__) - {"__version__"})

    def test_classes(self) -> None:
        """
        Each public class says what it is for, in words of its own.
        """
        for name in txwebsocket.__all__:
            value = getattr(txwebsocket, name)
            if isinstance(value, type):
                text = vars(value).get("__doc__") or ""
                # What dataclasses write in place of a missing one starts so.
                self.assertFalse(text.startswith(f"{name}("), name)
                self.assertTrue(text.strip(), name)

    def test_members(self) -> None:
        """
        Each public method and property says what it promises.
        """
        for name in txwebsocket.__all__:
            value = getattr(txwebsocket, name)
            if isinstance(value, type):
                for member, function in publicMembers(value):
                    self.assertTrue(function.__doc__, f"{name}.{member}")

    def test_fields(self) -> None:
        """
        Each field of a configuration or report is described.
        """
        for name in txwebsocket.__all__:
            value = getattr(txwebsocket, name)
            if isinstance(value, type) and is_dataclass(value):
                text = value.__doc__ or ""
                for field in fields(value):
                    owners = {f"{kind.__name__}.{field.name}" for kind in value.__mro__}
                    self.assertTrue(
                        owners & self.variables or f":ivar {field.name}:" in text,
                        f"{name}.{field.name}",
                    )

    def test_constants(self) -> None:
        """
        Each public constant says what it means.
        """
        constants = {name for name in txwebsocket.__all__ if name.isupper()}
        self.assertTrue(constants)
        self.assertEqual(constants - self.variables, set())


class VersionTests(SynchronousTestCase):
    """
    Tests of the version.
    """

    def test_form(self) -> None:
        """
        The version is one that pip understands (PEP 440).
        """
        self.assertTrue(
            re.fullmatch(
                r"\d+(\.\d+)+((a|b|rc)\d+)?(\.post\d+)?(\.dev\d+)?",
                txwebsocket.__version__,
            )
        )

    def test_installed(self) -> None:
        """
        pip and Python tell the same version. The tests are run with the package
        installed, if only with ``pip install -e``.
        """
        self.assertEqual(version("txwebsocket"), txwebsocket.__version__)

    def test_once(self) -> None:
        """
        A release changes one line: the version stands in one file.
        """
        others = [CHECKOUT / "setup.py", CHECKOUT / "pyproject.toml"]
        others += (CHECKOUT / "docs").glob("*.py")
        quoted = re.compile(f"[\"']{re.escape(txwebsocket.__version__)}[\"']")
        found = [
            path.name
            for path in [*PACKAGE.rglob("*.py"), *others]
            if quoted.search(path.read_text(encoding="utf-8"))
        ]
        self.assertEqual(found, ["_version.py"])


class ImportTests(SynchronousTestCase):
    """
    Tests of what importing does, in interpreters of their own.
    """

    def test_noReactor(self) -> None:
        """
        Importing the library installs no reactor: users choose theirs afterwards.
        """
        told = run(
            "import sys, txwebsocket\n"
            "print('twisted.internet.reactor' in sys.modules, txwebsocket.SPEEDUPS)"
        )
        self.assertEqual(told, f"False {txwebsocket.SPEEDUPS}")

    def test_noReactorAnywhere(self) -> None:
        """
        No module of it does, those for twistd included.
        """
        told = run(
            "import importlib, pkgutil, sys, txwebsocket\n"
            "found = pkgutil.walk_packages(txwebsocket.__path__, 'txwebsocket.')\n"
            "names = [each.name for each in found]\n"
            "for name in names:\n"
            "    importlib.import_module(name)\n"
            "print('twisted.internet.reactor' in sys.modules)\n"
            "print('txwebsocket.standalone.tap' in names)"
        )
        self.assertEqual(told.split(), ["False", "True"])

    def test_quiet(self) -> None:
        """
        Importing it warns of nothing and prints nothing.
        """
        told = run(
            "import warnings\nwarnings.simplefilter('error')\nimport txwebsocket"
        )
        self.assertEqual(told, "")

    def test_wireInBrowser(self) -> None:
        """
        In a browser, where there is no Twisted, the protocol core can be imported and
        used.
        """
        told = run(
            IN_BROWSER + "from os import urandom\n"
            "from txwebsocket import ClientConfig, State\n"
            "from txwebsocket.wire.codes import Role\n"
            "from txwebsocket.wire.connection import Connection\n"
            "connection = Connection(Role.CLIENT, ClientConfig(), lambda: urandom(4))\n"
            "connection.open()\n"
            "connection.receive(b'\\x81\\x05Hello')\n"
            "print(connection.nextEvent(), connection.state is State.OPEN)"
        )
        self.assertEqual(told, "Hello True")

    def test_facadeInBrowser(self) -> None:
        """
        There the library is what needs no Twisted, and nothing half-imported.
        """
        told = run(
            IN_BROWSER + "import txwebsocket\n"
            "print(*(name for name in sys.modules\n"
            "    if name.startswith('txwebsocket') and '.wire' not in name))\n"
            "print(hasattr(txwebsocket, 'WebSocketClient'))"
        )
        self.assertEqual(
            sorted(told.split()),
            sorted(
                ["False", "txwebsocket"]
                + [name for name in BEFORE_TWISTED if ".wire" not in name]
            ),
        )

    def test_blockade(self) -> None:
        """
        These tests would notice: elsewhere the library does need Twisted.
        """
        program = IN_BROWSER.replace("emscripten", "linux") + "import txwebsocket"
        self.assertIn("was asked for", run(program))
