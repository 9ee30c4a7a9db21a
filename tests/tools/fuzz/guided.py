# Part of txwebsocket. See LICENSE for details.
"""
One process of atheris, which fuzzes one target; ``run`` starts it.

    python -m tests.tools.fuzz.guided TARGET NATIVE [OPTION OF LIBFUZZER...]

``NATIVE`` is where the native twin was built to be watched, or empty.
"""

import ctypes
import os
import shlex
import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import atheris

_NATIVE = "txwebsocket.wire._speedups"


class _Finder:
    """
    Finds the native twin, or that there is none.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def find_spec(
        self, name: str, path: Any = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """
        Where a module is.
        """
        if name != _NATIVE:
            return None
        if not self._path:
            raise ImportError(f"{name} is left out")
        return spec_from_file_location(name, self._path)


def main() -> None:
    """
    Do what the command line says.
    """
    name, native, *options = sys.argv[1:]
    isAlone = "LD_PRELOAD" not in os.environ
    if isAlone:
        # What the native twin calls where it has been.
        [core] = Path(atheris.__file__).parent.glob("core_with_libfuzzer*")
        ctypes.CDLL(str(core), ctypes.RTLD_GLOBAL)
    finder: Any = _Finder(native)
    sys.meta_path.insert(0, finder)
    with atheris.instrument_imports(include=["txwebsocket"]):
        targets = import_module("tests.tools.fuzz.targets").TARGETS
    # To merge, libFuzzer starts what it was started with, in a shell.
    program = shlex.join(
        [sys.executable, "-m", "tests.tools.fuzz.guided", name, native]
    )
    atheris.Setup([program, *options], targets[name], internal_libfuzzer=isAlone)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
