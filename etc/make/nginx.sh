#!/bin/sh
# Unpacks Debian's nginx into build/nginx, as the bench's peer: installed, it would begin to serve this machine's port 80.
set -eu
folder=build/nginx
[ -x "$folder/usr/sbin/nginx" ] && exit 0
mkdir -p "$folder"
cd "$folder"
if apt-get -q -o APT::Sandbox::User=root download nginx >/dev/null; then
    dpkg -x nginx_*.deb .
    rm -f nginx_*.deb
else
    echo "nginx cannot be had; images are measured against cp and sha512sum only" >&2
fi
