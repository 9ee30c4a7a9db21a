# -*- test-case-name: tests.server.test_tlscheck -*-
# Part of txwebsocket. See LICENSE for details.
"""
A combination of versions that can't work, noticed before it fails in the dark.
"""

from __future__ import annotations

import warnings

import OpenSSL
import twisted
from incremental import Version

_INSTALLED_TWISTED: Version = twisted.version  # type: ignore[attr-defined]

_TWISTED = Version("Twisted", 26, 4, 0)
_PYOPENSSL = (26, 2)


class BrokenTLS(RuntimeError):
    """
    The installed Twisted can't serve TLS with the installed pyOpenSSL.
    """


def checkTLS(
    installedTwisted: Version = _INSTALLED_TWISTED,
    installedPyOpenSSL: str = OpenSSL.__version__,
) -> None:
    """
    Make sure that a TLS server will work.

    Before 26.4, Twisted changes a TLS context after its first use, which pyOpenSSL
    forbids from 26.2 on: each connection to the server would then end at once.

    :raises BrokenTLS: naming what to install.
    """
    pyOpenSSL = tuple(int(part) for part in installedPyOpenSSL.split(".")[:2])
    if installedTwisted < _TWISTED and pyOpenSSL >= _PYOPENSSL:
        raise BrokenTLS(
            f"Twisted {installedTwisted.short()} can't serve TLS with pyOpenSSL "
            f"{installedPyOpenSSL}. Install Twisted 26.4 or newer, or 'pyopenssl<26.2'."
        )


def warnOfBrokenTLS() -> None:
    """
    Warn, once, whoever may serve TLS without our knowing.
    """
    try:
        checkTLS()
    except BrokenTLS as problem:
        warnings.warn(str(problem), RuntimeWarning, stacklevel=3)
