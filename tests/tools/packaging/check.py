# Part of txwebsocket. See LICENSE for details.
"""
Checks what users install: the wheel, the sdist and the checkout itself.

Each of the three is installed next to Twisted, used from the root folder, where nothing
of a checkout can be imported by chance, and uninstalled, after which Twisted has to be
as if we had never been there. Last, the unit tests run against the wheel.

The first kind meets an empty virtual environment and brings the dependencies with it;
the next ones meet what its removal left, after that was found to be sound. All work is
done on a copy of the checkout, so that nothing is written into it.
"""

import argparse
import base64
import csv
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Collection
from pathlib import Path
from tempfile import TemporaryDirectory

CHECKOUT = Path(__file__).resolve().parents[3]
# What a fresh clone does not have, and what starts with a dot.
LEFT_OUT = [".*", "*.egg-info", "*.pyc", "*.so", "__pycache__", "_build"]
LEFT_OUT += ["_trial_temp*", "build", "dist", "dropin.cache", "node_modules", "venv"]

KINDS = ["wheel", "sdist", "editable", "tests"]
PLUGIN = "twisted/plugins/txwebsocket_plugin.py"
# These belong to Twisted: if ours took their place, removing us would break it.
NOT_OURS = ["twisted/__init__.py", "twisted/plugins/__init__.py"]
LISTED = re.compile(r"^ *websocket ", re.MULTILINE)


class Results:
    """
    One line for each check, and the count of them.
    """

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0

    def check(self, what: str, holds: bool, details: str = "") -> bool:
        """
        Note how a check came out, and what may explain it if it failed.
        """
        print(f"{'ok  ' if holds else 'FAIL'} {what}", flush=True)
        if holds:
            self.passed += 1
        else:
            self.failed += 1
            print("".join(f"     | {line}\n" for line in details.splitlines()), end="")
        return holds

    def checkNone(self, what: str, found: Collection[str]) -> bool:
        """
        Note a check that looked for something that should not be.
        """
        return self.check(what, not found, "\n".join(sorted(found)))

    def checkRan(self, what: str, ran: subprocess.CompletedProcess[str]) -> bool:
        """
        Note a check that ran a program.
        """
        return self.check(what, ran.returncode == 0, "\n".join(tail(ran.stdout)))


class Environment:
    """
    A virtual environment.
    """

    def __init__(self, path: Path) -> None:
        venv.create(path, with_pip=True)
        self.bin = path / "bin"
        [self.sitePackages] = path.glob("lib/python3*/site-packages")

    def run(
        self, program: str, *arguments: str | Path, cwd: Path = Path("/")
    ) -> subprocess.CompletedProcess[str]:
        """
        Run one of the programs in here.
        """
        return execute(self.bin / program, *arguments, cwd=cwd)

    def pip(
        self, command: str, *arguments: str | Path
    ) -> subprocess.CompletedProcess[str]:
        """
        Run pip; twice if it could not install, since a download may have failed.
        """
        call = ("-m", "pip", "--no-input", command, *arguments)
        ran = self.run("python", *call)
        if ran.returncode and command == "install":
            ran = self.run("python", *call)
        return ran

    def files(self) -> set[str]:
        """
        What is installed, but for what Python and Twisted write by themselves.
        """
        return {
            str(path.relative_to(self.sitePackages))
            for path in self.sitePackages.rglob("*")
            if path.is_file()
            and path.name != "dropin.cache"
            and "__pycache__" not in path.parts
        }

    def damage(self, distribution: str) -> list[str]:
        """
        The files of a distribution that are not as its RECORD says.
        """
        [record] = self.sitePackages.glob(f"{distribution}-*.dist-info/RECORD")
        with record.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.reader(lines))
        return [
            name
            for name, digest, _size in rows
            if "__pycache__" not in name and not self._isIntact(name, digest)
        ]

    def _isIntact(self, name: str, recorded: str) -> bool:
        path = self.sitePackages / name
        if not path.is_file():
            return False
        algorithm, _, wanted = recorded.partition("=")
        if not wanted:
            return True
        digest = hashlib.new(algorithm, path.read_bytes()).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=") == wanted


def execute(
    *command: str | Path, cwd: Path = Path("/")
) -> subprocess.CompletedProcess[str]:
    """
    Run a program away from the caller's own paths; ``stdout`` has all that it says.
    """
    unwanted = {"PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV"}
    return subprocess.run(
        command,
        cwd=cwd,
        env={name: os.environ[name] for name in os.environ.keys() - unwanted},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def worked(ran: subprocess.CompletedProcess[str]) -> bool:
    """
    Whether a program did its job in peace: Twisted survives a broken plugin, but tells
    of it each time.
    """
    return ran.returncode == 0 and "Traceback" not in ran.stdout


def tail(text: str) -> list[str]:
    """
    As much of a program's output as one wants to read.
    """
    return text.splitlines()[-80:]


def packageFiles(folder: Path) -> set[str]:
    """
    The files of the library that every kind has to install.
    """
    return {PLUGIN} | {
        str(path.relative_to(folder))
        for path in (folder / "txwebsocket").rglob("*")
        if path.is_file() and path.suffix not in {".c", ".h"}
    }


def build(results: Results, checkout: Path, scratch: Path) -> dict[str, Path]:
    """
    Build the sdist, and from it the wheel.
    """
    python = Path(sys.executable)
    if importlib.util.find_spec("build") is None:
        environment = Environment(scratch / "builder")
        environment.pip("install", "build")
        python = environment.bin / "python"
    target = scratch / "dist"
    call = (python, "-m", "build", "--outdir", target, checkout)
    ran = execute(*call)
    if ran.returncode:
        ran = execute(*call)
    if not results.checkRan("build: an sdist and, from it, a wheel", ran):
        return {}
    [sdist] = target.glob("*.tar.gz")
    [wheel] = target.glob("*.whl")
    return {"sdist": sdist, "wheel": wheel}


def checkContents(results: Results, checkout: Path, built: dict[str, Path]) -> None:
    """
    Look at what is in the wheel and in the sdist.
    """
    wanted = packageFiles(checkout)
    with zipfile.ZipFile(built["wheel"]) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    results.checkNone("wheel: nothing is missing", wanted - names)
    results.checkNone(
        "wheel: nothing but txwebsocket and its plugin",
        {name for name in names - {PLUGIN} if not name.startswith("txwebsocket/")},
    )
    with tarfile.open(built["sdist"]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    others = {
        str(path.relative_to(checkout))
        for path in checkout.rglob("*")
        if path.is_file()
    }
    results.checkNone("sdist: nothing is missing", others - names)
    results.checkNone("sdist: no __init__.py of Twisted's", names & {*NOT_OURS})


def checkInstalled(
    results: Results, kind: str, environment: Environment, wanted: set[str]
) -> None:
    """
    Use what was just installed.
    """
    for program in ("twistd", "twist"):
        ran = environment.run(program, "--help")
        results.check(
            f"{kind}: {program} --help lists websocket",
            worked(ran) and LISTED.search(ran.stdout) is not None,
            ran.stdout,
        )
    for program, *arguments in (["twistd", "-n"], ["twist"]):
        results.checkRan(
            f"{kind}: {program} websocket --help",
            environment.run(program, *arguments, "websocket", "--help"),
        )
    ran = environment.run(
        "python", "-c", "import txwebsocket; print(txwebsocket.__file__)"
    )
    if results.checkRan(f"{kind}: import txwebsocket", ran):
        root = Path(ran.stdout.splitlines()[-1]).parents[1]
        results.checkNone(
            f"{kind}: the modules, the plugin, py.typed and the page are there",
            {name for name in wanted if not (root / name).is_file()},
        )
    results.checkRan(f"{kind}: pip check", environment.pip("check"))


def checkRemoved(results: Results, kind: str, environment: Environment) -> None:
    """
    Uninstall, and look at what Twisted is like without us.
    """
    results.checkRan(
        f"{kind}: pip uninstall", environment.pip("uninstall", "-y", "txwebsocket")
    )
    ran = environment.run("twistd", "--help")
    results.check(
        f"{kind}: then twistd works and no longer lists websocket",
        worked(ran) and LISTED.search(ran.stdout) is None,
        ran.stdout,
    )
    results.checkNone(
        f"{kind}: then Twisted's files are as they were", environment.damage("twisted")
    )
    results.checkNone(
        f"{kind}: then no file of ours is left",
        {name for name in environment.files() if "txwebsocket" in name},
    )


def checkTests(
    results: Results, environment: Environment, built: dict[str, Path], scratch: Path
) -> None:
    """
    Run the sdist's unit tests against the wheel, with no library beside them.
    """
    with tarfile.open(built["sdist"]) as sdist:
        sdist.extractall(scratch / "elsewhere", filter="data")
    [folder] = (scratch / "elsewhere").iterdir()
    for name in ("txwebsocket", "twisted"):
        shutil.rmtree(folder / name)
    installed = environment.pip("install", built["wheel"])
    if results.checkRan("tests: pip install", installed):
        ran = environment.run("python", "-m", "twisted.trial", "tests", cwd=folder)
        results.checkRan("tests: they pass", ran)
        results.check("tests: there are some", "successes=" in ran.stdout)


def checkKinds(results: Results, kinds: Collection[str], scratch: Path) -> None:
    """
    Check the kinds that were asked for, in the order that :data:`KINDS` has.
    """
    ignored = shutil.ignore_patterns(*LEFT_OUT)
    checkout = shutil.copytree(CHECKOUT, scratch / "checkout", ignore=ignored)
    results.checkNone(
        "checkout: no __init__.py of Twisted's",
        {name for name in NOT_OURS if (checkout / name).exists()},
    )
    wanted = packageFiles(checkout)
    # Built from a copy of its own, which an editable install must not find changed.
    built = build(results, shutil.copytree(checkout, scratch / "sources"), scratch)
    if not built:
        return
    checkContents(results, checkout, built)
    sources: dict[str, list[str | Path]] = {
        "wheel": [built["wheel"]],
        "sdist": [built["sdist"]],
        "editable": ["--editable", checkout],
    }
    environment = Environment(scratch / "venv")
    for kind, source in sources.items():
        if kind not in kinds:
            continue
        installed = environment.pip("install", *source)
        if results.checkRan(f"{kind}: pip install", installed):
            checkInstalled(results, kind, environment, wanted)
            checkRemoved(results, kind, environment)
    if "tests" in kinds:
        checkTests(results, environment, built, scratch)


def main() -> int:
    """
    Do what the command line says.
    """
    parser = argparse.ArgumentParser(description="Check what users install.")
    parser.add_argument(
        "kinds", nargs="*", metavar="KIND", help=f"{', '.join(KINDS)}; all by default"
    )
    kinds = parser.parse_args().kinds or KINDS
    if unknown := set(kinds) - set(KINDS):
        parser.error(f"no such kind: {', '.join(sorted(unknown))}")
    results = Results()
    with TemporaryDirectory(prefix="txwebsocket-") as scratch:
        checkKinds(results, kinds, Path(scratch))
    print(f"{results.passed} passed, {results.failed} failed")
    return 1 if results.failed else 0


if __name__ == "__main__":
    sys.exit(main())
