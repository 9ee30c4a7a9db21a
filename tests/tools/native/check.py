# Part of txwebsocket. See LICENSE for details.
"""
Builds the native twin in a copy of the checkout, and puts it to the test there.

    python tests/tools/native/check.py [STAGE...]

``build``
    the switch ``TXWEBSOCKET_SPEEDUPS``, with a compiler and without
``tests``
    the unit tests, with the native twin
``fuzz``
    both twins, fed the same a million times
``leaks``
    ten million frames, and what is left of them
``hardship``
    no memory, calls that come when they should not, and misuse of every attribute
``sanitizers``
    the tests of the core, fuzz and hardship with AddressSanitizer and
    UndefinedBehaviorSanitizer; needs GCC or Clang
``valgrind``
    a shorter fuzz in Valgrind
``speed``
    how much faster it is, and whether that is enough
``quick``
    a little of each, with either twin, in a minute or two

All but the last two are done by default. Python has to have Twisted and setuptools.
"""

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from tempfile import TemporaryDirectory

CHECKOUT = Path(__file__).resolve().parents[3]
# What a fresh clone does not have, and what starts with a dot.
LEFT_OUT = [".*", "*.egg-info", "*.pyc", "*.so", "__pycache__", "_build"]
LEFT_OUT += ["_trial_temp*", "build", "dist", "dropin.cache", "node_modules", "venv"]

COMPILER = os.environ.get("CC", "cc")
STRICT = "-std=c11 -Wall -Wextra -Wshadow -Werror"
SANITIZE = "-fsanitize=address,undefined -fno-sanitize-recover=all"
MINUTE = 60


class CheckFailed(Exception):
    """
    Something is not as it should be.
    """


class Tree:
    """
    A copy of the checkout, in which the native twin is built or not.
    """

    def __init__(self, folder: Path) -> None:
        ignored = shutil.ignore_patterns(*LEFT_OUT)
        self.path = shutil.copytree(CHECKOUT, folder, ignore=ignored)

    def run(
        self, *command: str | Path, minutes: float = 10, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """
        Run a program in here.
        """
        unwanted = {"PYTHONHOME", "PYTHONPATH", "CFLAGS", "LDFLAGS"}
        kept = {name: os.environ[name] for name in os.environ.keys() - unwanted}
        return subprocess.run(
            command,
            cwd=self.path,
            env={**kept, "PYTHONPATH": str(self.path), **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=minutes * MINUTE,
            check=False,
        )

    def check(
        self, *command: str | Path, minutes: float = 10, **environment: str
    ) -> None:
        """
        Run a program that has to succeed, with the native twin; show its last line.
        """
        environment = {"TXWEBSOCKET_SPEEDUPS": "yes", **environment}
        ran = self.run(*command, minutes=minutes, **environment)
        lines = ran.stdout.splitlines()
        if ran.returncode:
            shown = "\n".join(lines[-60:])
            raise CheckFailed(f"{shlex.join(map(str, command))} failed:\n{shown}")
        if lines:
            say(f"   {lines[-1]}")

    def python(self, *arguments: str, minutes: float = 10, **environment: str) -> None:
        """
        Run a Python program that has to succeed.
        """
        self.check(sys.executable, *arguments, minutes=minutes, **environment)

    def build(self, flags: str = "") -> None:
        """
        Build the native twin, where it is then imported from.
        """
        flags = f"{STRICT} {flags}" if sysconfig.get_config_var("CC") else flags
        self.python(
            "setup.py",
            "-q",
            "build_ext",
            "--inplace",
            "--force",
            CFLAGS=flags,
            LDFLAGS=flags,
            PYTHONWARNINGS="ignore",
        )

    def wheel(self, wish: str, **environment: str) -> str:
        """
        Build a wheel; return its name without that of the project, or "" if there is
        none, and beside it how many extension modules are in it.
        """
        shutil.rmtree(self.path / "build", ignore_errors=True)
        with TemporaryDirectory() as target:
            command = "-m pip wheel --no-deps --no-build-isolation --no-cache-dir -w"
            ran = self.run(
                sys.executable,
                *command.split(),
                target,
                ".",
                TXWEBSOCKET_SPEEDUPS=wish,
                **environment,
            )
            if ran.returncode:
                return ""
            [made] = Path(target).glob("*.whl")
            listed = self.run(sys.executable, "-m", "zipfile", "-l", made).stdout
        natives = listed.count("/_speedups.") - listed.count("/_speedups.pyi")
        return f"{made.stem.split('-', 2)[2]} {natives}"


def say(line: str) -> None:
    """
    Print a line at once.
    """
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def library(name: str) -> str:
    """
    Where the compiler has its run-time library of this name.
    """
    asked = [*shlex.split(COMPILER), f"-print-file-name={name}"]
    path = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    return path.strip()


def checkBuild(tree: Tree) -> None:
    """
    Whoever insists gets the native twin or an error, others get what can be had.
    """
    version = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    isFree = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    native = f"{version}-{version}t" if isFree else "cp311-abi3"
    broken = {"CC": "false"}
    for wish, environment, expected in (
        ("no", {}, ("py3-none-any", "0")),
        ("auto", {}, (native, "1")),
        ("yes", {}, (native, "1")),
        ("no", broken, ("py3-none-any", "0")),
        ("auto", broken, (native, "0")),
        ("yes", broken, ()),
        ("maybe", {}, ()),
    ):
        found = tree.wheel(wish, **environment)
        if bool(found) != bool(expected) or not all(part in found for part in expected):
            raise CheckFailed(f"{wish}, {environment}: {found or 'no wheel'}")
        say(f"   {wish}{' without compiler' * bool(environment)}: {found or 'refused'}")


def checkTests(tree: Tree) -> None:
    """
    All tests pass with the native twin.
    """
    tree.build()
    tree.python("-m", "twisted.trial", "tests", minutes=20)


def checkFuzz(tree: Tree) -> None:
    """
    The twins do not differ.
    """
    tree.build()
    tree.python("tests/tools/native/differential.py", "--seconds", "500")


def checkLeaks(tree: Tree) -> None:
    """
    Nothing is left.
    """
    tree.build()
    tree.python("tests/tools/native/leaks.py", "--seconds", "500")


def checkHardship(tree: Tree) -> None:
    """
    The process survives.
    """
    tree.build()
    tree.python("tests/tools/native/hardship.py")
    tree.python("tests/tools/native/abuse.py")


def checkSanitizers(tree: Tree) -> None:
    """
    No access is out of bounds, and no behaviour undefined.
    """
    tree.build(f"{SANITIZE} -O1 -g -fno-omit-frame-pointer")
    environment = {
        "LD_PRELOAD": f"{library('libasan.so')} {library('libubsan.so')}",
        "ASAN_OPTIONS": "detect_leaks=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONMALLOC": "malloc",
    }
    fuzz = (
        "tests/tools/native/differential.py",
        "--feeds",
        "200000",
        "--seconds",
        "500",
    )
    tree.python("-m", "twisted.trial", "tests.wire", minutes=20, **environment)
    tree.python(*fuzz, **environment)
    tree.python("tests/tools/native/hardship.py", **environment)
    tree.python("tests/tools/native/abuse.py", **environment)


def checkValgrind(tree: Tree) -> None:
    """
    Nothing is used that was not written, or not any more.
    """
    tree.build("-O1 -g")
    log = tree.path / "valgrind.log"
    options = f"--quiet --num-callers=50 --error-limit=no --log-file={log}"
    for program, *arguments in (("differential", "--feeds", "10000"), ("hardship",)):
        tree.check(
            *("valgrind", *options.split(), sys.executable),
            *(f"tests/tools/native/{program}.py", *arguments),
            PYTHONMALLOC="malloc",
        )
        # Python itself looks at what was not written, in int.from_bytes(b"").
        errors = re.split(r"^==\d+== *\n", log.read_text(), flags=re.MULTILINE)
        ours = [error for error in errors if "_speedups" in error or "Invalid" in error]
        if ours:
            raise CheckFailed("\n".join(ours))


def checkSpeed(tree: Tree) -> None:
    """
    It is worth having.
    """
    tree.build()
    ran = tree.run(sys.executable, "tests/tools/native/speed.py")
    say(ran.stdout)
    if ran.returncode:
        raise CheckFailed("it is too slow, or did not run")


def checkQuick(tree: Tree) -> None:
    """
    What a change to it would break first still works.
    """
    tree.build()
    for wish in ("yes", "no"):
        tests = (
            "tests.wire",
            "tests.project.test_speed",
            "tests.connection.test_websocket",
        )
        tree.python("-m", "twisted.trial", *tests, TXWEBSOCKET_SPEEDUPS=wish)
    tree.python("tests/tools/native/differential.py", "--feeds", "100000")
    tree.python("tests/tools/native/leaks.py", "--frames", "1000000")
    tree.python("tests/tools/native/hardship.py")
    tree.python("tests/tools/native/abuse.py")
    tree.python("tests/tools/native/speed.py", "--seconds", "0.2")


STAGES = {
    "build": checkBuild,
    "tests": checkTests,
    "fuzz": checkFuzz,
    "leaks": checkLeaks,
    "hardship": checkHardship,
    "sanitizers": checkSanitizers,
    "valgrind": checkValgrind,
    "speed": checkSpeed,
    "quick": checkQuick,
}
BY_DEFAULT = [name for name in STAGES if name not in ("speed", "quick")]


def main() -> int:
    """
    Do what the command line says.
    """
    parser = argparse.ArgumentParser(description="Check the native twin.")
    parser.add_argument("stages", nargs="*", metavar="STAGE", help=", ".join(STAGES))
    wanted = parser.parse_args().stages or BY_DEFAULT
    if unknown := set(wanted) - set(STAGES):
        parser.error(f"no such stage: {', '.join(sorted(unknown))}")
    with TemporaryDirectory(prefix="txwebsocket-") as scratch:
        for name in wanted:
            say(f"{name}:")
            try:
                STAGES[name](Tree(Path(scratch) / name))
            except (CheckFailed, subprocess.TimeoutExpired) as error:
                say(f"FAIL {error}")
                return 1
    say(f"{len(wanted)} stages passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
