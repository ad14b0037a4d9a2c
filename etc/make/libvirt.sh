#!/bin/sh
# Makes sure that libvirt answers: by systemd where that runs, else by starting virtlogd and libvirtd ourselves.
set -eu
alive() { timeout 10 virsh -q -c qemu:///system version >/dev/null 2>&1; }
alive && exit 0
if [ -d /run/systemd/system ]; then
    systemctl start libvirtd.service
else
    # No systemd: a container or a small test machine, without AppArmor and without the libvirt-qemu user's ACLs.
    if ! grep -q '^# cloudd' /etc/libvirt/qemu.conf 2>/dev/null; then
        printf '# cloudd: this machine runs no systemd\nsecurity_driver = "none"\nuser = "root"\ngroup = "root"\n' >>/etc/libvirt/qemu.conf
    fi
    mkdir -p /run/libvirt
    [ -e /run/virtlogd.pid ] && kill -0 "$(cat /run/virtlogd.pid)" 2>/dev/null || virtlogd -d -p /run/virtlogd.pid
    [ -e /run/libvirtd.pid ] && kill -0 "$(cat /run/libvirtd.pid)" 2>/dev/null || libvirtd -d -p /run/libvirtd.pid
fi
tries=0
until alive; do
    tries=$((tries + 1))
    [ $tries -lt 30 ] || { echo "libvirt does not answer at qemu:///system" >&2; exit 1; }
    sleep 0.5
done
