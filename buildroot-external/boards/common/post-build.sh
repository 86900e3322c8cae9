#!/bin/sh
# Called by Buildroot before it packs the root file system: post-build.sh TARGET BOARD. Writes what depends on the board, the version
# and the keys; everything that does not lies in rootfs/.
set -eu
target=$1
board=$2
tree=$(cd "$(dirname "$0")/../../.." && pwd)
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$tree/app/pyproject.toml")
keyring=${ISTARS_KEYRING:-$tree/build/keys/dev-ca.pem}
text() {
	sed -n "s/^ *\"$1\": *\"\([^\"]*\)\".*/\1/p" "$tree/buildroot-external/boards/$board/board.json"
}

mkdir -p "$target/etc/istars" "$target/etc/rauc" "$target/data"
install -m 0644 "$tree/buildroot-external/boards/$board/board.json" "$target/etc/istars/board.json"
sed "s/@COMPATIBLE@/$(text compatible)/" "$tree/firmware/system.conf.in" >"$target/etc/rauc/system.conf"
install -m 0644 "$keyring" "$target/etc/rauc/keyring.pem"
# /etc/os-release is a link there, which the card's clock must not follow to a file that some package may touch
rm -f "$target/etc/os-release" "$target/usr/lib/os-release"
cat >"$target/etc/os-release" <<END
ID=istars
NAME="iStars"
PRETTY_NAME="iStars $version"
VERSION_ID=$version
VARIANT_ID=$board
CPE_NAME="cpe:2.3:o:istars:istars:$version:*:*:*:*:*:*:*"
END
# inittab and supervisord start everything; a start script that a package brought along would do it a second time
rm -f "$target"/etc/init.d/S[0-9]*
# written when the card runs, and no part of a read-only root
rm -rf "$target/etc/dropbear" "$target/var/www"
# Buildroot makes the folders of zones links into posix/, which Python does not follow when it lists them; leap seconds nobody counts
zones=$target/usr/share/zoneinfo
if [ -d "$zones/posix" ]; then
	for zone in "$zones"/posix/*; do
		rm -f "$zones/${zone##*/}"
		mv "$zone" "$zones"
	done
	rm -rf "$zones/posix" "$zones/right"
fi
# what packages bring along and nothing on a card uses: installers, tests, manuals, the manufacturers of all network adapters
for python in "$target"/usr/lib/python3.*; do
	packages=$python/site-packages
	rm -rf "$python/ensurepip" "$packages/docs" "$packages/example" "$packages/README.txt" \
		"$packages/supervisor/tests" "$packages/pyrad/tests" \
		"$packages"/netaddr/eui/oui.* "$packages"/netaddr/eui/iab.*
done
for tool in sqlite3 pcre2grep pcre2test gi-compile-repository gi-decompile-typelib gi-inspect-typelib gio gdbus gsettings gresource \
	gapplication mksquashfs sqfstar; do
	rm -f "$target/usr/bin/$tool"
done
