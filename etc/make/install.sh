#!/bin/sh
# `make install`: the program in PREFIX with an environment of its own, its unit, its configuration, the command on the PATH.
set -eu
[ "$(id -u)" = 0 ] || { echo "make install needs root" >&2; exit 1; }
here=$(pwd -P)
target=$DESTDIR$PREFIX
mkdir -p "$target" "$DESTDIR/etc/cloudd" "$DESTDIR/etc/systemd/system" "$DESTDIR/usr/local/bin"
if [ "$here" != "$(cd "$target" && pwd -P)" ]; then
    echo "== copying to $target"
    git -C "$here" ls-files -z | tar -C "$here" --null -T - -cf - | tar -C "$target" -xf -
fi
make -C "$target" venv guest consoles
ln -sfn "$PREFIX/.venv/bin/cloudd" "$DESTDIR/usr/local/bin/cloudd"
sed "s#/opt/cloudd#$PREFIX#" "$target/etc/cloudd.service" >"$DESTDIR/etc/systemd/system/cloudd.service"
[ -e "$DESTDIR/etc/cloudd/cloudd.conf" ] || install -m 0640 "$target/etc/cloudd.conf" "$DESTDIR/etc/cloudd/cloudd.conf"
[ -n "$DESTDIR" ] || cloudd db upgrade
[ -n "$DESTDIR" ] || ! [ -d /run/systemd/system ] || systemctl daemon-reload
cat <<END
cloudd is installed in $target. Next:
  systemctl enable --now cloudd
  cloudd init --guest-image $PREFIX/build/testguest/testguest.qcow2
END
