# Part of txwebsocket. See LICENSE for details.
"""
How Sphinx builds the manual.
"""

import sys
from pathlib import Path
from types import FunctionType
from typing import get_type_hints

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from zope.interface.interface import InterfaceClass

import txwebsocket
from txwebsocket._version import __version__

sys.path.insert(0, str(Path(__file__).parent))

project = "txwebsocket"
author = "the txwebsocket contributors"
copyright = f"2026, {author}"
release = __version__
version = ".".join(release.split(".")[:2])

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinxcontrib.zopeext.autointerface",
    "tables",
]
exclude_patterns = ["_build", "newsfragments", "design/figures"]
nitpicky = True
nitpick_ignore_regex = [
    # Nothing is fetched while the manual is built, so a name of another package, the
    # standard library's too, stays plain text. Ours have to be right,
    (r"py:.*", r"(?!txwebsocket\.)\w+(\.\w+)+"),
    # but for private type variables and aliases, and the parts
    # of a URL that one class hands to another.
    (r"py:.*", r"txwebsocket\.(\w+\.)*_\w+"),
    (r"py:class", r"txwebsocket\.client\.url\.WebSocketURL"),
]

autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_format = "short"
autodoc_typehints_description_target = "documented_params"

# Annotations quote an interface by its repr; the tilde asks for its last part only.
InterfaceClass.__repr__ = lambda self: f"~{self.__module__}.{self.__name__}"

html_theme = "furo"
html_title = f"txwebsocket {release}"

# Sphinx looks up what a method's annotations mean, but not those of a constructor.
for _name in txwebsocket.__all__:
    for _class in getattr(getattr(txwebsocket, _name), "__mro__", ()):
        if isinstance(_init := vars(_class).get("__init__"), FunctionType):
            _init.__annotations__ = get_type_hints(_init)

# Where an object is defined -> where everybody takes it from.
_PUBLIC = {
    f"{value.__module__}.{value.__qualname__}": f"txwebsocket.{name}"
    for name in txwebsocket.__all__
    if hasattr(value := getattr(txwebsocket, name), "__qualname__")
}


def resolvePublicName(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.reference | None:
    """
    Let a reference to the module that defines a public name lead to that name.

    Annotations give the defining module, which users never see.
    """
    public = _PUBLIC.get(node.get("reftarget", ""))
    if node.get("refdomain") != "py" or public is None:
        return None
    return env.domains.python_domain.resolve_xref(
        env, node["refdoc"], app.builder, "obj", public, node, content
    )


def leaveOutPrivateBases(
    app: Sphinx, name: str, obj: type, options: object, bases: list[type]
) -> None:
    """
    Show a class's bases as far as users can have them too.
    """
    bases[:] = [
        base
        for base in bases
        if not base.__module__.startswith("txwebsocket.")
        or f"{base.__module__}.{base.__qualname__}" in _PUBLIC
    ] or [object]


def leaveOutPositions(
    app: Sphinx, what: str, name: str, obj: object, skip: bool, options: object
) -> bool | None:
    """
    Leave a named tuple's fields to what its docstring says of them.
    """
    return str(obj.__doc__).startswith("Alias for field number") or None


def setup(app: Sphinx) -> None:
    """
    Called by Sphinx.
    """
    app.connect("missing-reference", resolvePublicName)
    app.connect("autodoc-process-bases", leaveOutPrivateBases)
    app.connect("autodoc-skip-member", leaveOutPositions)
