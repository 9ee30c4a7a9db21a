#!/usr/bin/env bash
# Part of txwebsocket. See LICENSE for details.
#
# Installs this checkout, and what it is compared with, for run.py --peers DIR:
#
#   bash tests/tools/bench/setup.sh DIR
#
# DIR/venv holds the checkout, with its native part, and the peers in Python,
# DIR/node_modules those on Node.
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

export TXWEBSOCKET_SPEEDUPS=yes
python3 -m venv --clear venv
twice venv/bin/pip install --quiet --disable-pip-version-check \
  "$top[zlib-ng]" 'twisted[websocket]>=25.5' 'autobahn[twisted]>=24.4' \
  'websockets>=15' 'aiohttp>=3.11' 'tornado>=6.4' 'picows>=1.8' 'uvloop>=0.21'
twice npm install --prefix . --silent --no-audit --no-fund --ignore-scripts \
  'ws@>=8' 'websocket@>=1.0.35'
