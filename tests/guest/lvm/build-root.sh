#!/bin/bash
# A Debian root in which the LVM driver is tested: lvm2 with thin pools, qemu-img and python3 from Debian's own archive.
#
#   build-root.sh OUT CACHE TESTGUEST TESTGUEST_CACHE
#
# Kernel and initrd are the test guest's; the modules of device mapper come from its package of the kernel.
# Packages are unpacked, not installed: no chroot, mount or loop device, and nothing in the guest needs their scripts.
set -euo pipefail
export LC_ALL=C PATH=$PATH:/usr/sbin:/sbin
here=$(cd "$(dirname "$0")" && pwd)
out=$(mkdir -p "$1" && cd "$1" && pwd)
cache=$(mkdir -p "$2/partial" && cd "$2" && pwd)
testguest=$(cd "$3" && pwd)
kernel_cache=$(cd "$4" && pwd)
w=$(mktemp -d); trap 'rm -rf "$w"' EXIT
r=$w/root
mkdir -p "$r"/{dev,proc,sys,run,tmp,mnt,root,etc/lvm,var/lib,var/tmp,usr/{bin,sbin,lib,lib64}}
for d in bin sbin lib lib64; do ln -s "usr/$d" "$r/$d"; done
chmod 1777 "$r/tmp" "$r/var/tmp"

: >"$w/status"                          # as if nothing was installed: all that is needed, whatever this machine has
get() {
    archives=$1; shift
    apt-get -o Dir::State::status="$w/status" -o Dir::Cache::archives="$archives" -o APT::Sandbox::User=root -o Debug::NoLocking=1 \
        install -y -qq --no-install-recommends "$@" lvm2 thin-provisioning-tools qemu-utils python3 util-linux 2>"$w/apt.log" || {
        cat "$w/apt.log" >&2; echo "run apt-get update, then try again" >&2; return 1; }
}
mkdir -p "$w/none/partial"
get "$w/none" --print-uris >"$w/uris"   # names all files of this state of the archive, those that were fetched before among them
get "$cache" --download-only >/dev/null
busybox=$(cd "$kernel_cache" && ls busybox-static_*.deb | tail -1)
sed -n "s/^'[^']*' \([^ ]*\.deb\) .*/\1/p" "$w/uris" | sed "s|^|$cache/|" | cat - <(echo "$kernel_cache/$busybox") | while read -r deb; do
    dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$r" --exclude=./usr/share/doc --exclude=./usr/share/man \
        --exclude=./usr/share/locale --exclude=./usr/share/info
done
applets=$("$r/bin/busybox" --list-full)
for a in $applets; do [ -e "$r/$a" ] || [ -h "$r/$a" ] || { mkdir -p "$r/$(dirname "$a")"; ln -s /bin/busybox "$r/$a"; }; done
ldconfig -r "$r"

read -r package version < <(grep '^linux-image-' "$testguest/VERSIONS")
dpkg-deb --fsys-tarfile "$kernel_cache/${package}_${version//:/%3a}"_*.deb | tar -x -C "$w" --wildcards \
    './lib/modules/*/modules.*' './lib/modules/*/kernel/drivers/md/*' './lib/modules/*/kernel/drivers/block/loop.ko' \
    './lib/modules/*/kernel/crypto/*' './lib/modules/*/kernel/arch/x86/crypto/*' './lib/modules/*/kernel/lib/*'
cp -r "$w/lib/modules" "$r/usr/lib/"
"$r/bin/busybox" depmod -b "$r" "$(basename "$r"/usr/lib/modules/*)"

# nothing of udev or systemd runs in the guest; LVM's root is not on LVM, so nothing has to be kept in memory while devices stand still
cat >"$r/etc/lvm/lvm.conf" <<'C'
backup { backup=0 archive=0 }
activation { udev_sync=0 udev_rules=0 monitoring=0 reserved_memory=0 mlock_filter=["/"] }
devices { obtain_device_list_from_udev=0 external_device_info_source="none" }
C
install -m755 "$here/guest-init" "$r/sbin/init"
mke2fs -q -t ext4 -m 0 -L testguest -O ^has_journal -d "$r" "$out/root.img.part" 400M
mv "$out/root.img.part" "$out/root.img"
ls -l "$out/root.img"
