#!/bin/sh
# `make clean`: destroys what this cloud has made on the machine, then its state.
set -eu
if [ -e "$STATE/cloudd.db" ] && [ -x .venv/bin/cloudd ]; then
    .venv/bin/cloudd purge --config "$CONFIG" --state-dir "$STATE"
fi
rm -rf "$STATE"
echo "the cloud in $STATE is gone; $CONFIG and the packages stay"
