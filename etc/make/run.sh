#!/bin/sh
# `make run`: libvirt, configuration, database, daemon, first contents. What is there already is left as it is.
set -eu
cloudd=.venv/bin/cloudd
pidfile=$STATE/cloudd.lock log=$STATE/cloudd.log
[ -z "$OUTBOUND" ] || export CLOUDD_NETWORK_OUTBOUND="$OUTBOUND"
running() { [ -s "$pidfile" ] && kill -0 "$(cat "$pidfile")" 2>/dev/null; }

sh etc/make/libvirt.sh
mkdir -p "$STATE" "$(dirname "$CONFIG")"
if ! [ -e "$CONFIG" ]; then
    install -m 0640 etc/cloudd.conf "$CONFIG"
    [ -z "$OUTBOUND" ] || sed -i "s/^#outbound = .*/outbound = $OUTBOUND/" "$CONFIG"     # so that a later start keeps to it
    echo "== wrote $CONFIG"
fi
set -- --config "$CONFIG" --state-dir "$STATE" --listen "$LISTEN"
if running; then
    started=$(cat "$pidfile")
    echo "== cloudd runs already (pid $started)"
else
    echo "== database"
    $cloudd db upgrade "$@" | sed 's/^/   /'
    echo "== starting cloudd (log: $log)"
    (umask 077 && : >>"$log") && chmod 600 "$log"             # who did what, from where: for the operator only
    setsid nohup $cloudd serve "$@" >>"$log" 2>&1 </dev/null &
    started=$!
fi
tries=0
until [ -e "$STATE/clouds.yaml" ] && running && curl -fsk -o /dev/null "$(sed -n 's/^ *auth_url: *//p' "$STATE/clouds.yaml" | head -1)/v3"; do
    tries=$((tries + 1))
    kill -0 "$started" 2>/dev/null || { tail -20 "$log" >&2; echo "cloudd did not start" >&2; exit 1; }
    [ $tries -lt 300 ] || { tail -20 "$log" >&2; echo "cloudd does not answer at $LISTEN" >&2; exit 1; }
    sleep 0.2
done
exec $cloudd init "$@" --guest-image build/testguest/testguest.qcow2
