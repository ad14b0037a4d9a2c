#!/bin/sh
# Fetches noVNC and xterm.js at the versions of the lock file.
set -eu
stamp=build/consoles.stamp
[ -e $stamp ] && [ $stamp -nt package-lock.json ] && exit 0
command -v npm >/dev/null || sh etc/make/packages.sh nodejs npm
echo "== browser consoles (npm)"
npm ci --no-audit --no-fund --loglevel=error
mkdir -p build && touch $stamp
