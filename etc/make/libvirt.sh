#!/bin/sh
# Makes sure that libvirt answers: by systemd where that runs, else by starting virtlogd and libvirtd ourselves.
set -eu
conf=/etc/libvirt/qemu.conf
alive() { timeout 10 virsh -q -c qemu:///system version >/dev/null 2>&1; }
runs() { [ -e "/run/$1.pid" ] && kill -0 "$(cat "/run/$1.pid")" 2>/dev/null; }

# No systemd: a container or a small test machine, without AppArmor. What we wrote before made guests root.
configure() {
    # As udev does. Where guests' user may not open it and libvirt's own probe may, each definition asks QEMU anew: half a minute.
    [ ! -e /dev/kvm ] || { chgrp kvm /dev/kvm && chmod 660 /dev/kvm; }
    ours=$(sed -n '/^# cloudd: this machine runs no systemd$/,/^group = /p' $conf 2>/dev/null || true)
    case $ours in
        *'user = "root"'*) sed -i '/^# cloudd: this machine runs no systemd$/,/^group = "root"$/d' $conf ;;
        ?*) return ;;
    esac
    mkdir -p "$(dirname $conf)"
    cat etc/make/qemu.conf >>$conf
    if runs libvirtd; then                           # guests go on; those that start from now on are no root
        pid=$(cat /run/libvirtd.pid)
        kill "$pid"
        while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
    fi
}

[ -d /run/systemd/system ] || configure
alive && exit 0
if [ -d /run/systemd/system ]; then
    systemctl start libvirtd.service
else
    mkdir -p /run/libvirt
    runs virtlogd || virtlogd -d -p /run/virtlogd.pid
    runs libvirtd || libvirtd -d -p /run/libvirtd.pid
fi
tries=0
until alive; do
    tries=$((tries + 1))
    [ $tries -lt 30 ] || { echo "libvirt does not answer at qemu:///system" >&2; exit 1; }
    sleep 0.5
done
