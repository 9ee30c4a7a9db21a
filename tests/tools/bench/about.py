# Part of txwebsocket. See LICENSE for details.
"""
What was measured with: versions, processor, kernel, and when.
"""

import json
import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from servers import Installed

_CPUINFO = Path("/proc/cpuinfo")
_PACKAGES = ("txwebsocket", "twisted", "zlib-ng", "autobahn", "wsproto", "websockets")
_PACKAGES += ("aiohttp", "tornado", "picows", "uvloop")
_NPM = ("ws", "websocket")

# Run by the Python that is measured, which is another one than ours.
_ASK = """
import json, platform, sys
from importlib.metadata import PackageNotFoundError, version
found = {"python": platform.python_version()}
found["implementation"] = platform.python_implementation()
for name in sys.argv[1:]:
    try:
        found[name] = version(name)
    except PackageNotFoundError:
        pass
print(json.dumps(found))
"""


def processor(cpuinfo: str) -> str:
    """
    The model of the first processor that the kernel tells of, or the architecture.
    """
    found = re.search(r"^model name\s*: (.+)$", cpuinfo, re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def _output(*command: str | Path) -> str:
    """
    What a program prints, or nothing if it can't be run.
    """
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return ran.stdout.strip()


def _npmVersions(nodeModules: Path) -> dict[str, str]:
    files = {name: nodeModules / name / "package.json" for name in _NPM}
    return {
        f"npm {name}": json.loads(file.read_text(encoding="utf-8"))["version"]
        for name, file in files.items()
        if file.is_file()
    }


def about(installed: Installed) -> dict[str, Any]:
    """
    All that whoever looks at the figures later should know.
    """
    cpuinfo = _CPUINFO.read_text(encoding="utf-8") if _CPUINFO.exists() else ""
    asked = _output(installed.python, "-c", _ASK, *_PACKAGES)
    versions = {
        **json.loads(asked or "{}"),
        "node": _output("node", "--version").removeprefix("v"),
        **_npmVersions(installed.nodeModules),
    }
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": processor(cpuinfo),
        "processors": os.cpu_count(),
        "kernel": f"{platform.system()} {platform.resumeFrom()}",
        "load": os.getloadavg()[0],
        "versions": {name: version for name, version in versions.items() if version},
    }
