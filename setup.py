# Part of txwebsocket. See LICENSE for details.
"""
Builds and installs txwebsocket.
"""

import os
import platform
import re
import sysconfig
from pathlib import Path

from setuptools import Extension, find_packages, setup

HERE = Path(__file__).parent

# Built for the limited API of Python 3.11, the native twin serves all that follow, too.
# A Python without the global lock has no limited API.
LIMITED_API = not sysconfig.get_config_var("Py_GIL_DISABLED")


def extensions() -> list[Extension]:
    """
    The native twin of the fast path, which all works without.

    ``TXWEBSOCKET_SPEEDUPS`` decides: ``auto``, the default, does without it where it
    can't be built, ``yes`` insists on it, ``no`` leaves it out. PyPy is fast as it is.
    """
    wish = os.environ.get("TXWEBSOCKET_SPEEDUPS", "auto")
    if wish not in ("auto", "yes", "no"):
        raise SystemExit(f"TXWEBSOCKET_SPEEDUPS must be auto, yes or no, not {wish!r}")
    isPyPy = platform.python_implementation() == "PyPy"
    if wish == "no" or (wish == "auto" and isPyPy):
        return []
    return [
        Extension(
            "txwebsocket.wire._speedups",
            ["txwebsocket/wire/_speedups.c"],
            define_macros=[("Py_LIMITED_API", "0x030B0000")] if LIMITED_API else [],
            py_limited_api=LIMITED_API,
            optional=wish == "auto",
        )
    ]


def version() -> str:
    """
    The version as ``txwebsocket/_version.py`` has it, read without importing anything.
    """
    source = (HERE / "txwebsocket" / "_version.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', source, re.MULTILINE)
    if found is None:
        raise ValueError("txwebsocket/_version.py has no line for __version__")
    return found[1]


setup(
    name="txwebsocket",
    version=version(),
    description="WebSocket servers and clients for Twisted",
    long_description=(HERE / "README").read_text(encoding="utf-8"),
    long_description_content_type="text/x-rst",
    author="the txwebsocket contributors",
    license_expression="MIT",
    license_files=["LICENSE"],
    keywords=["websocket", "twisted", "rfc6455", "rfc7692"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Framework :: Twisted",
        "Intended Audience :: Developers",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Internet :: WWW/HTTP",
        "Topic :: Software Development :: Libraries",
        "Typing :: Typed",
    ],
    python_requires=">=3.11",
    install_requires=[
        # What names in other scripts become, as browsers have it.
        "idna>=3.4",
        "twisted[tls]>=24.7.0",
        "cryptography",
        "pyopenssl",
        "service-identity",
    ],
    extras_require={
        # What Deflate(engine="zlib-ng") takes.
        "zlib-ng": ["zlib-ng>=1.0"],
        # What tox.ini and .ci/run install to check a change.
        "dev": [
            "build>=1.2",
            "coverage>=7.6",
            "hypothesis>=6.100",
            "mypy==2.4.1",
            "mypy-zope==1.0.17",
            "ruff>=0.17.6,<0.18",
            "towncrier>=24.8",
            "tox>=4.20",
            # Whose verdicts ours are compared with.
            "websockets>=15",
            "wsproto>=1.2",
        ],
    },
    # twisted.plugins is Twisted's own package: it is named here for the one file that
    # we add to it, and has no __init__.py of ours, which would replace Twisted's and
    # go with us when we are uninstalled.
    packages=[*find_packages(include=["txwebsocket*"]), "twisted.plugins"],
    # Said in full so that an editable install is a plain path entry. Without it, it
    # would be an import hook, and Twisted looks for plugins in folders only.
    package_dir={"": "."},
    package_data={
        "": ["py.typed", "*.pyi"],
        "txwebsocket.standalone": ["page/**/*"],
    },
    ext_modules=extensions(),
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if LIMITED_API else {},
    zip_safe=False,
)
