# Part of txwebsocket. See LICENSE for details.
"""
Makes the Autobahn WebSocket Testsuite, which is for Python 2 only, run on Python 3.

    python convert.py SUITE.tar.gz AUTOBAHN.tar.gz FOLDER

The archives are the sources of ``autobahntestsuite`` and of ``autobahn`` 0.10.9, the
library it sends and reads frames with. FOLDER gets the packages ``abts`` and
``autobahn``. All cases are kept, with the suite's own judgement and its reports in
JSON; reports in HTML, WAMP and the other modes are left out.

Each replacement tells how often it has to be made. So a suite that has changed is
refused, and none is made that tests less without anybody noticing.
"""

import re
import shutil
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

_HERE = Path(__file__).resolve().parent
_CODING = "# -*- coding: utf-8 -*-\n"
_VERSION = re.compile(r"""^__version__ = ['"]([^'"]+)""", re.MULTILINE)


class Source:
    """
    The text of a module, and what is changed in it.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text

    def replace(
        self, pattern: str, by: str | Callable[[re.Match[str]], str], times: int | None
    ) -> None:
        """
        Replace what matches.

        :param times: how often it has to match; None for any number.
        """
        self.text, found = re.subn(pattern, by, self.text, flags=re.MULTILINE)
        if times not in (None, found):
            sys.exit(f"convert: {self.name} has {found} of {pattern!r}, not {times}")

    def replaceText(self, old: str, new: str, times: int | None = 1) -> None:
        """
        Replace this text.
        """
        self.replace(re.escape(old), lambda _: new, times)

    def modernize(self) -> None:
        """
        Replace what Python 3 spells otherwise, wherever it is.
        """
        self.replace(r"^(\s*)print$", r"\1print()", None)
        self.replace(r"^(\s*)print (?!\()(.+)$", r"\1print(\2)", None)
        self.replace(r"\bxrange\b", "range", None)
        self.replace(r"([\w.\[\]]+)\.has_key\(([^()]*)\)", r"(\2 in \1)", None)
        self.replace(r"^from (case\w*) import", r"from .\1 import", None)
        self.replaceText("(object, Case, )", "(Case, )", None)
        self.replaceText("binascii.b2a_hex", "shim.hexOf", None)
        self.replace(r"^# *(-\*- *)?coding.*$", "", None)


# Cases that need more than that.


def _convertBase(source: Source) -> None:
    source.replaceText(
        "pickle.dumps(obj1) == pickle.dumps(obj2)", "shim.same(obj1, obj2)"
    )


def _convertUTF8(source: Source) -> None:
    source.replaceText("v.validate(vss[:i])", "v.validate(shim.octets(vss[:i]))")


def _convertFragmentation(source: Source) -> None:
    size = "len(self.payload) / self.p.autoFragmentSize"
    source.replaceText(size, size.replace("/", "//"))


def _convertDeflate(source: Source) -> None:
    source.replaceText("import copy, os, pkg_resources,", "import copy, os,")
    source.replaceText("pkg_resources.resource_filename", "shim.dataPath", 3)


def _convertUnused(source: Source) -> None:
    # No case of the suite, but imported by it.
    source.replaceText("from zope.interface import implements", "")
    source.replace(r"^ *implements\(.*$", "", 1)


_CASES = {
    "case.py": _convertBase,
    "case6_x_x.py": _convertUTF8,
    "case9_9_1.py": _convertUnused,
    "case10_1_1.py": _convertFragmentation,
    "case12_x_x.py": _convertDeflate,
}


def convertCase(source: Source) -> None:
    """
    Convert a module with cases.
    """
    source.modernize()
    if source.name in _CASES:
        _CASES[source.name](source)
    if source.name.startswith(("case9_", "case10")):
        # These calculate. Where they divided, somebody has looked at it.
        code = re.sub(r'""".*?"""|#.*', "", source.text, flags=re.DOTALL)
        if re.search(r"\w\)? / ", code):
            sys.exit(f"convert: {source.name} has a division that nobody looked at")


def convertFuzzing(source: Source) -> None:
    """
    Convert the module that runs the cases.
    """
    source.modernize()
    source.replaceText(
        "import autobahntestsuite\n", "import abts as autobahntestsuite\n"
    )
    source.replaceText("class FuzzingProtocol:", "class FuzzingProtocol(shim.Octets):")
    # What is logged may be a string or octets.
    convert = "   data = shim.octets(data)\n"
    ellipses = """   ellipses = " ..."\n"""
    source.replaceText(ellipses + "   if", ellipses + convert + "   if")
    ellipses, asOctets = ellipses + "   try", ellipses.replace('"', 'b"', 1)
    source.replaceText(ellipses, asOctets + convert + "   try")
    source.replaceText("p = ''.join(payload)", "p = b''.join(payload)")
    # Reports.
    source.replaceText("textwrap, pkg_resources", "textwrap")
    source.replace(r"^from report import(.*\\\n)*.*\n", "", 1)
    source.replaceText("produceHtml = True", "produceHtml = False")
    source.replaceText(
        "json.dumps(case, ", "json.dumps(case, default = shim.jsonable, "
    )
    source.replaceText("pkg_resources.resource_filename", "shim.dataPath")


def convertSuite(archive: Path, package: Path) -> str:
    """
    Convert all modules of the suite that are needed.

    :return: its version.
    """
    version = ""
    for path, data in _members(archive, "autobahntestsuite"):
        target = package / path
        source = Source(path.name, data.decode("latin-1").replace("\r\n", "\n"))
        if path.parts[0] == "testdata":
            _write(target, data)
            continue
        if path.match("case/*.py"):
            convertCase(source)
        elif path.match("fuzzing.py"):
            convertFuzzing(source)
        elif path.match("caseset.py"):
            source.modernize()
        elif path.match("_version.py"):
            version = _VERSION.search(source.text)[1]
            continue
        else:
            continue
        usesShim = "from abts import shim\n" if "shim." in source.text else ""
        _write(target, (_CODING + usesShim + source.text).encode())
    shutil.copy(_HERE / "shim.py", package)
    _write(package / "__init__.py", f"version = {version!r}\n".encode())
    return version


def convertLibrary(archive: Path, package: Path) -> None:
    """
    Convert the library, which knows Python 3 but for one division.
    """
    for path, data in _members(archive, "autobahn"):
        if path.suffix != ".py" or "test" in path.parts or path.parts[0] == "asyncio":
            continue
        source = Source(path.name, data.decode())
        if path.match("websocket/protocol.py"):
            division = "payload_len / len(payload)"
            source.replaceText(division, division.replace("/", "//"))
        _write(package / path, source.text.encode())


def _members(archive: Path, package: str) -> Iterator[tuple[PurePosixPath, bytes]]:
    """
    The files of a package in an archive, by their paths in it.
    """
    with tarfile.open(archive) as tar:
        for member in tar.getmembers():
            parts = PurePosixPath(member.name).parts
            isInside = len(parts) > 2 and parts[1] == package and ".." not in parts
            if member.isfile() and isInside:
                yield PurePosixPath(*parts[2:]), tar.extractfile(member).read()


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def main() -> None:
    suite, library, folder = map(Path, sys.argv[1:])
    version = convertSuite(suite, folder / "abts")
    convertLibrary(library, folder / "autobahn")
    sys.stdout.write(f"converted autobahntestsuite {version}\n")


if __name__ == "__main__":
    main()
