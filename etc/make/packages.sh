#!/bin/sh
# Installs the Debian packages named that are missing, and says so.
set -eu
missing=
for name in "$@"; do
    dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || missing="$missing $name"
done
[ -z "$missing" ] && exit 0
[ "$(id -u)" = 0 ] || { echo "these Debian packages are missing, install them as root:$missing" >&2; exit 1; }
echo "== Debian packages:$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -q -o Acquire::Retries=3
# shellcheck disable=SC2086
apt-get install -y -q --no-install-recommends $missing
