# Part of txwebsocket. See LICENSE for details.
"""
The walls between the modules, read from their source.
"""

import ast
import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from twisted.trial.unittest import SynchronousTestCase

import txwebsocket

PACKAGE = Path(txwebsocket.__file__).parent
PLUGIN = PACKAGE.parent / "twisted" / "plugins" / "txwebsocket_plugin.py"

# Each module may import those above it, and no others.
ORDER = (
    # The version.
    "txwebsocket._version",
    # RFC 6455 and RFC 7692 without IO.
    "txwebsocket.wire",
    "txwebsocket.wire.codes",
    "txwebsocket.wire.grammar",
    "txwebsocket.wire.masking",
    "txwebsocket.wire.utf8",
    "txwebsocket.wire.report",
    "txwebsocket.wire.errors",
    "txwebsocket.wire.extensions",
    "txwebsocket.wire.inflate",
    "txwebsocket.wire.deflate",
    "txwebsocket.wire.states",
    "txwebsocket.wire.frames",
    "txwebsocket.wire.control",
    "txwebsocket.wire.outgoing",
    "txwebsocket.wire.speedups",
    "txwebsocket.wire.outbox",
    "txwebsocket.wire.checks",
    "txwebsocket.wire.config",
    "txwebsocket.wire.messages",
    "txwebsocket.wire.streaming",
    "txwebsocket.wire.closing",
    "txwebsocket.wire.sendlimits",
    "txwebsocket.wire.connection",
    # The opening handshake, and those of proxies, without IO.
    "txwebsocket.handshake",
    "txwebsocket.handshake.addresses",
    "txwebsocket.handshake.hosts",
    "txwebsocket.handshake.targets",
    "txwebsocket.handshake.origins",
    "txwebsocket.handshake.paths",
    "txwebsocket.handshake.forwarded",
    "txwebsocket.handshake.cookies",
    "txwebsocket.handshake.response",
    "txwebsocket.handshake.httpconnect",
    "txwebsocket.handshake.socks5",
    "txwebsocket.handshake.opening",
    # The options.
    "txwebsocket.config",
    # The browser's interface, without Twisted.
    "txwebsocket.browser.dom",
    "txwebsocket.browser.api",
    "txwebsocket.browser.native",
    "txwebsocket.browser",
    # What several packages use.
    "txwebsocket.headers",
    "txwebsocket.interfaces",
    "txwebsocket.deferreds",
    "txwebsocket.pending",
    "txwebsocket.deprecation",
    # An open WebSocket on a Twisted transport.
    "txwebsocket.connection",
    "txwebsocket.connection.errors",
    "txwebsocket.connection.frame",
    "txwebsocket.connection.hooks",
    "txwebsocket.connection.pausing",
    "txwebsocket.connection.turns",
    "txwebsocket.connection.receivequeue",
    "txwebsocket.connection.backlog",
    "txwebsocket.connection.pieceproducer",
    "txwebsocket.connection.collecting",
    "txwebsocket.connection.receiver",
    "txwebsocket.connection.incoming",
    "txwebsocket.connection.timerqueue",
    "txwebsocket.connection.timers",
    "txwebsocket.connection.readallowance",
    "txwebsocket.connection.pings",
    "txwebsocket.connection.keysharing",
    "txwebsocket.connection.sockets",
    "txwebsocket.connection.progress",
    "txwebsocket.connection.writer",
    "txwebsocket.connection.pulltopush",
    "txwebsocket.connection.callbacks",
    "txwebsocket.connection.hookcalls",
    "txwebsocket.connection.dispatch",
    "txwebsocket.connection.channel",
    "txwebsocket.connection.outgoing",
    "txwebsocket.connection.websocket",
    "txwebsocket.connection.upgraded",
    "txwebsocket.connection.listeners",
    "txwebsocket.connection.protocolfactory",
    # The server.
    "txwebsocket.server",
    "txwebsocket.server.tlscheck",
    "txwebsocket.server.limits",
    "txwebsocket.server.application",
    "txwebsocket.server.upgrade",
    "txwebsocket.server.responses",
    "txwebsocket.server.request",
    "txwebsocket.server.mount",
    "txwebsocket.server.requestcheck",
    "txwebsocket.server.broadcast",
    "txwebsocket.server.server",
    "txwebsocket.server.resource",
    "txwebsocket.server.router",
    "txwebsocket.server.site",
    "txwebsocket.server.factory",
    # The client.
    "txwebsocket.client",
    "txwebsocket.client.weburl",
    "txwebsocket.client.url",
    "txwebsocket.client.proxyenv",
    "txwebsocket.client.certificatecheck",
    "txwebsocket.client.tls",
    "txwebsocket.client.proxies",
    "txwebsocket.client.resolver",
    "txwebsocket.client.endpointfactory",
    "txwebsocket.client.redirects",
    "txwebsocket.client.cookiejar",
    "txwebsocket.client.rejection",
    "txwebsocket.client.handshakeprotocol",
    "txwebsocket.client.attempt",
    "txwebsocket.client.client",
    "txwebsocket.client.endpoint",
    "txwebsocket.client.factory",
    "txwebsocket.client.w3c",
    "txwebsocket.client.backoff",
    "txwebsocket.client.reconnect",
    "txwebsocket.client.service",
    # Any Twisted protocol over messages.
    "txwebsocket.streams",
    "txwebsocket.streams.transport",
    "txwebsocket.streams.endpoints",
    "txwebsocket.streams.strings",
    # Servers and clients in memory, for tests of applications.
    "txwebsocket.testing.transports",
    "txwebsocket.testing.site",
    "txwebsocket.testing",
    # The public names.
    "txwebsocket",
    # twistd websocket.
    "txwebsocket.standalone",
    "txwebsocket.standalone.pages",
    "txwebsocket.standalone.tap",
    # python -m txwebsocket.
    "txwebsocket.command",
    "txwebsocket.command.escaping",
    "txwebsocket.command.keys",
    "txwebsocket.command.editor",
    "txwebsocket.command.stdio",
    "txwebsocket.command.ttymode",
    "txwebsocket.command.console",
    "txwebsocket.command.commands",
    "txwebsocket.command.session",
    "txwebsocket.command.certificates",
    "txwebsocket.command.arguments",
    "txwebsocket.command.main",
    "txwebsocket.__main__",
)

# What comes from elsewhere: what setup.py requires, and what comes with that.
FOREIGN = {
    "OpenSSL",
    "cryptography",
    "hyperlink",
    "idna",
    "incremental",
    "twisted",
    "typing_extensions",
    "zope",
}

# Modules that import by a name known when they run, or on a condition; and why.
LATE = {
    "txwebsocket.wire.speedups": "the native twin is optional",
    "txwebsocket.wire.deflate": "zlib-ng is optional",
    "txwebsocket.connection.progress": "Windows has no fcntl and no termios",
    "txwebsocket.standalone.tap": "--app names what is to be served",
    "txwebsocket.command.ttymode": "Windows has no termios",
    "txwebsocket": "a browser's Python has no Twisted",
    "txwebsocket.browser.native": "only a browser's Python has js",
}

# What must work in a browser, besides the protocol; and what is there in one.
BROWSER = "txwebsocket.browser"
IN_BROWSER = {"js", "pyodide"}

# Modules that set timers of the reactor themselves; and why.
DELAYS = {
    "txwebsocket.connection.timerqueue": "it is what all others use",
    "txwebsocket.command.session": "a pause at a terminal is no deadline",
}

LOADERS = {"__import__", "import_module", "namedAny", "namedModule", "requireModule"}
WIRE = "txwebsocket.wire"
MAX_LINES = 500
MAX_FUNCTION = 50


class Import(NamedTuple):
    """
    One name that an import statement asks for.
    """

    module: str
    name: str
    level: int


class Module:
    """
    The source of one module.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.source = path.read_text(encoding="utf-8")
        self.tree = ast.parse(self.source)

    @cached_property
    def name(self) -> str:
        """
        The module's full name.
        """
        parts = self.path.relative_to(PACKAGE.parent).with_suffix("").parts
        return ".".join(parts).removesuffix(".__init__")

    @cached_property
    def imports(self) -> list[Import]:
        """
        All that it imports, wherever the statement stands.
        """
        return [each for node in ast.walk(self.tree) for each in importsIn(node)]

    @cached_property
    def lateImports(self) -> list[str]:
        """
        What it imports otherwise than by a statement at its top.
        """
        first = {each for node in self.tree.body for each in importsIn(node)}
        nested = [each.module for each in self.imports if each not in first]
        return nested + [name for name in self.names if name in LOADERS]

    @cached_property
    def names(self) -> list[str]:
        """
        The names and attributes that its code uses.
        """
        found = []
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Name):
                found.append(node.id)
            elif isinstance(node, ast.Attribute):
                found.append(node.attr)
        return found

    def ours(self) -> set[str]:
        """
        The modules of the package that it imports.
        """
        return {
            whole if (whole := f"{module}.{name}") in ORDER else module
            for module, name, _ in self.imports
            if module.partition(".")[0] == "txwebsocket"
        }

    def others(self) -> set[str]:
        """
        The packages that it imports from elsewhere, but for the standard library.
        """
        found = {each.module.partition(".")[0] for each in self.imports}
        return found - sys.stdlib_module_names - {"txwebsocket"}


def importsIn(node: ast.AST) -> Iterator[Import]:
    """
    What a statement imports, if it is one that imports.
    """
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(alias.name, "", 0)
    elif isinstance(node, ast.ImportFrom):
        for alias in node.names:
            yield Import(node.module or "", alias.name, node.level)


def isPrivate(name: str) -> bool:
    """
    Is this a name that a module keeps for itself?
    """
    return name.startswith("_") and not name.endswith("__")


def linesOfCode(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """
    The lines of a function, without its docstring.
    """
    count = linesOf(function)
    if ast.get_docstring(function) is not None:
        count -= linesOf(function.body[0])
    return count


def linesOf(node: ast.stmt) -> int:
    """
    The lines that a statement takes.
    """
    return (node.end_lineno or node.lineno) - node.lineno + 1


MODULES = [Module(path) for path in sorted(PACKAGE.rglob("*.py"))]


class LayerTests(SynchronousTestCase):
    """
    Tests of what the modules import.
    """

    def assertNone(self, found: dict[str, object]) -> None:
        """
        No module has what is looked for.
        """
        self.assertEqual({name: what for name, what in found.items() if what}, {})

    def test_everyModule(self) -> None:
        """
        Each module has its place in the order, and just one.
        """
        self.assertEqual(sorted(ORDER), sorted(module.name for module in MODULES))

    def test_order(self) -> None:
        """
        A module imports only modules that stand above it, so that none needs another
        that needs it.
        """
        self.assertNone(
            {
                module.name: module.ours() - set(ORDER[: ORDER.index(module.name)])
                for module in MODULES
            }
        )

    def test_wire(self) -> None:
        """
        The protocol core runs with the standard library alone: without Twisted, a clock
        of its own or a log.
        """
        core = [module for module in MODULES if ".wire" in module.name]
        self.assertGreater(len(core), 10)
        forbidden = {"asyncio", "logging", "socket", "threading", "time"}
        self.assertNone({module.name: module.others() for module in core})
        self.assertNone(
            {
                module.name: forbidden & {each.module for each in module.imports}
                for module in core
            }
        )
        self.assertNone(
            {
                module.name: [n for n in module.ours() if not n.startswith(WIRE)]
                for module in core
            }
        )

    def test_foreign(self) -> None:
        """
        The rest needs Twisted and what comes with it.
        """
        rest = [m for m in MODULES if not m.name.startswith(BROWSER)]
        self.assertNone({m.name: m.others() - FOREIGN for m in rest})

    def test_browser(self) -> None:
        """
        What browsers have a use for needs what they have.
        """
        found = [m for m in MODULES if m.name.startswith(BROWSER)]
        self.assertGreater(len(found), 3)
        self.assertNone({m.name: m.others() - IN_BROWSER for m in found})

    def test_reactor(self) -> None:
        """
        No module imports the reactor: users pass the one they have chosen.
        """
        for module in MODULES:
            for each in module.imports:
                whole = f"{each.module}.{each.name}"
                self.assertNotIn("twisted.internet.reactor", whole, module.name)
            self.assertNotIn("internet.reactor", module.source, module.name)

    def test_delays(self) -> None:
        """
        Delays are set by the timer queue alone, so that a wall clock that is set moves
        no deadline. Other code asks the reactor for its next turn only.
        """
        found = {
            module.name: [
                node.lineno
                for node in ast.walk(module.tree)
                if isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "callLater"
                and not (
                    isinstance(node.args[0], ast.Constant) and not node.args[0].value
                )
            ]
            for module in MODULES
            if module.name not in DELAYS
        }
        self.assertNone(dict(found))

    def test_absolute(self) -> None:
        """
        A module is imported by its full name, and nothing through the public door,
        which is for users.
        """
        for module in MODULES:
            for each in module.imports:
                self.assertEqual(each.level, 0, module.name)
                self.assertNotEqual(each.module, "txwebsocket", module.name)
                self.assertNotEqual(each.name, "*", module.name)

    def test_late(self) -> None:
        """
        Imports stand at the top of a module, and hold on every machine, but for the few
        that have a reason.
        """
        late = {module.name for module in MODULES if module.lateImports}
        self.assertEqual(late, set(LATE))

    def test_typeChecking(self) -> None:
        """
        No import is there for the type checker only, which would hide a circle.
        """
        self.assertNone(
            {m.name: [n for n in m.names if n == "TYPE_CHECKING"] for m in MODULES}
        )

    def test_private(self) -> None:
        """
        A name with an underscore stays in its module: ours as well as Twisted's.
        """
        allowed = {"txwebsocket._version"}
        for module in MODULES:
            for each in module.imports:
                self.assertFalse(isPrivate(each.name), f"{module.name}: {each}")
                if each.module not in allowed:
                    parts = each.module.split(".")
                    self.assertFalse(
                        any(map(isPrivate, parts)), f"{module.name}: {each}"
                    )


class PluginTests(SynchronousTestCase):
    """
    Tests of the file that Twisted finds.
    """

    def test_imports(self) -> None:
        """
        Every twistd and trial on the machine reads the plugin, so that it imports
        nothing of ours and nothing late.
        """
        tree = ast.parse(PLUGIN.read_text(encoding="utf-8"))
        found = [each.module for node in ast.walk(tree) for each in importsIn(node)]
        top = [each.module for node in tree.body for each in importsIn(node)]
        self.assertEqual(found, top)
        self.assertEqual(
            {name.partition(".")[0] for name in found}, {"twisted", "typing", "zope"}
        )

    def test_noPackage(self) -> None:
        """
        The folders of the plugin are no packages: an ``__init__.py`` of ours would take
        the place of Twisted's own.
        """
        # Beside these tests; there is none beside a package that is installed.
        folder = Path(__file__).resolve().parents[2] / "twisted"
        found = {str(path.relative_to(folder)) for path in folder.rglob("*.py")}
        self.assertEqual(found - {str(PLUGIN.relative_to(PLUGIN.parents[1]))}, set())


class SizeTests(SynchronousTestCase):
    """
    Tests of how much there is to read at a time.
    """

    def test_modules(self) -> None:
        """
        A module can be read in one sitting.
        """
        for module in MODULES:
            count = len(module.source.splitlines())
            self.assertLessEqual(count, MAX_LINES, module.name)

    def test_functions(self) -> None:
        """
        A function can be seen as a whole, its docstring apart.
        """
        for module in MODULES:
            for node in ast.walk(module.tree):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    where = f"{module.name}.{node.name}"
                    self.assertLessEqual(linesOfCode(node), MAX_FUNCTION, where)

    def test_licence(self) -> None:
        """
        Each module says whose it is, and what it is for.
        """
        line = "# Part of txwebsocket. See LICENSE for details."
        for module in MODULES:
            self.assertIn(line, module.source.splitlines()[:2], module.name)
            self.assertTrue(ast.get_docstring(module.tree), module.name)
