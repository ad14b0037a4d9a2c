#!/bin/sh
# `make stop`: asks the daemon to end, and waits for it. Guests go on.
set -eu
pidfile=$STATE/cloudd.lock
if ! [ -s "$pidfile" ] || ! kill -0 "$(cat "$pidfile")" 2>/dev/null; then echo "cloudd is not running"; exit 0; fi
pid=$(cat "$pidfile")
kill -TERM "$pid"
tries=0
while kill -0 "$pid" 2>/dev/null; do
    tries=$((tries + 1))
    [ $tries -lt 150 ] || { echo "cloudd (pid $pid) does not end" >&2; exit 1; }
    sleep 0.2
done
echo "cloudd is stopped; its guests go on"
