# Part of txwebsocket. See LICENSE for details.
"""
Builds and installs txwebsocket.
"""

import re
from pathlib import Path

from setuptools import Extension, find_packages, setup

HERE = Path(__file__).parent

# The optional native twin of the fast path belongs in this list, as one Extension
# called "txwebsocket.wire._speedups"; everything works without it.
EXTENSIONS: list[Extension] = []


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
        "twisted[tls]>=24.7.0",
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
        "txwebsocket": ["page/**/*"],
    },
    ext_modules=EXTENSIONS,
    zip_safe=False,
)
