#!/bin/sh
# Installs the programs that the tests use as peers; does nothing where they are there already.
set -eu
need=""
want() { command -v "$1" >/dev/null 2>&1 || [ -e "$1" ] || need="$need $2"; }
want /usr/bin/chromium chromium
want /lib/nut/nutdrv_qx nut-server
want upsc nut-client
want socat socat
want mbpoll mbpoll
want faketime faketime
"${PYTHON:-python3}" -c 'import ensurepip' 2>/dev/null || need="$need python3-venv"
want openssl openssl
want mmdebstrap mmdebstrap
want qemu-system-arm qemu-system-arm
want qemu-img qemu-utils
want qemu-arm-static qemu-user-static
want mkimage u-boot-tools
want /usr/lib/u-boot/qemu_arm/u-boot.bin u-boot-qemu
want sfdisk fdisk
want depmod kmod
want cpio cpio
want curl curl
want sslscan sslscan
want rauc rauc
want mksquashfs squashfs-tools
want shellcheck shellcheck
want dtc device-tree-compiler
[ -n "$need" ] || exit 0
sudo=""
[ "$(id -u)" = 0 ] || sudo="sudo"
echo "installing:$need"
$sudo apt-get update -qq
# shellcheck disable=SC2086 # a list of words is meant
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $need >/dev/null
