#!/usr/bin/env bash
# Part of txwebsocket. See LICENSE for details.
#
# Installs this checkout, and what it is to talk with, for run.py --peers DIR:
#
#   bash tests/tools/interop/setup.sh DIR
#
# DIR/venv holds the checkout and the peers in Python, DIR/node_modules those on Node.
# Chromium, curl, microsocks and stunnel4 are Debian's packages of these names, tinyproxy
# is in tinyproxy-bin; whoever calls installs them.
set -euo pipefail

if [[ $# != 1 ]]; then
  printf 'usage: setup.sh DIR\n' >&2
  exit 2
fi
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
mkdir -p "$1"
cd "$1"

# Most of what can go wrong with an install is the network.
twice() {
  "$@" || "$@"
}

python3 -m venv --clear venv
twice venv/bin/pip install --quiet --disable-pip-version-check \
  "$top[zlib-ng]" 'twisted[http2,websocket]' 'autobahn[twisted]>=24.4' 'websockets>=15'
twice npm install --prefix . --silent --no-audit --no-fund --ignore-scripts \
  'ws@>=8' 'websocket@>=1.0.35' 'playwright-core@>=1.50' 'pyodide@>=0.28'
