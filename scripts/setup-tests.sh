#!/bin/sh
# Installs the programs that the tests use as peers; does nothing where they are there already.
set -eu
need=""
want() { command -v "$1" >/dev/null 2>&1 || [ -e "$1" ] || need="$need $2"; }
want /usr/bin/chromium-headless-shell chromium-headless-shell
want /lib/nut/nutdrv_qx nut-server
want upsc nut-client
want /usr/sbin/snmpd snmpd
want socat socat
want gammu gammu
want /usr/sbin/smsd smstools
want mbpoll mbpoll
want faketime faketime
want /usr/sbin/chronyd chrony
want microsocks microsocks
want ip iproute2
want tcpdump tcpdump
want /usr/sbin/rsyslogd rsyslog
want /usr/lib/x86_64-linux-gnu/rsyslog/lmnsd_gtls.so rsyslog-gnutls
"${PYTHON:-python3}" -c 'import ensurepip' 2>/dev/null || need="$need python3-venv"
want openssl openssl
want snmpget snmp
want /usr/sbin/snmptrapd snmptrapd
want /lib/nut/snmp-ups nut-snmp
want /lib/nut/huawei-ups2000 nut-modbus
want smilint smitools
want sslscan sslscan
want /usr/sbin/freeradius freeradius
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
