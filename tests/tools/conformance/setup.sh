#!/usr/bin/env bash
# Part of txwebsocket. See LICENSE for details.
#
# Installs the Autobahn WebSocket Testsuite for run.py --suite DIR:
#
#   bash tests/tools/conformance/setup.sh DIR
#
# What it needs comes from the Python package index. DIR/venv holds the Python that runs
# it, DIR/packages the suite. A DIR that is as this script would make it is left alone.
set -euo pipefail

if [[ $# != 1 ]]; then
  printf 'usage: setup.sh DIR\n' >&2
  exit 2
fi
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$1"
cd "$1"

ready=$(cat "$here/setup.sh" "$here/convert.py" "$here/shim.py" | cksum)
[[ $(cat ready 2>/dev/null) != "$ready" ]] || exit 0
rm -rf ready archives packages

# Most of what can go wrong with an install is the network.
twice() {
  "$@" || "$@"
}

export PIP_DISABLE_PIP_VERSION_CHECK=1
python3 -m venv --clear venv
twice venv/bin/pip install --quiet --only-binary :all: \
  Twisted==26.10.0 txaio==26.6.1 wsaccel==0.6.7 six==1.17.0 \
  pyOpenSSL==26.4.0 service-identity==26.1.0

# The suite, and the version of Autobahn that it asks for. Neither installs on Python 3,
# and a recent setuptools can't even tell their names.
mkdir archives
printf 'setuptools<72\n' >archives/constraints
PIP_CONSTRAINT=$PWD/archives/constraints twice venv/bin/pip download --quiet \
  --no-deps --no-binary :all: --dest archives \
  autobahntestsuite==25.10.1 autobahn==0.10.9
venv/bin/python "$here/convert.py" \
  archives/autobahntestsuite-*.tar.gz archives/autobahn-*.tar.gz packages

# What it knows has to be what we know of it.
PYTHONPATH=packages venv/bin/python -W ignore "$here/suite.py" list |
  diff - <(sed -n 's/^\([0-9.]*\) .*/\1/p' "$here/expected.txt")
printf '%s\n' "$ready" >ready
