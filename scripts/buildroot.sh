#!/bin/sh
# Builds and checks the card's image with Buildroot: buildroot.sh image | sbom | legal | check
#
# BUILDROOT_DIR names a checkout of Buildroot; otherwise the release below is brought from its public home, whole or not at all: the
# commit is its hash. CARD is a configuration in buildroot-external/configs without `_defconfig`. What is released goes to
# firmware/out, what is made for another card than the reference card to a folder of its own there.
set -eu
RELEASE=2026.02.3
COMMIT=679b9ead7620bbf193620d1ebf56f53c1764d37a
HOME_OF_BUILDROOT=https://gitlab.com/buildroot.org/buildroot.git

tree=$(cd "$(dirname "$0")/.." && pwd)
external=$tree/buildroot-external
work=$tree/build/buildroot
card=${CARD:-istars_nv}
out=$tree/firmware/out
[ "$card" = istars_nv ] || out=$out/$card
python=${PYTHON:-python3}

buildroot() {
	if [ -n "${BUILDROOT_DIR:-}" ]; then
		[ -f "$BUILDROOT_DIR/support/misc/utils.mk" ] || stop "BUILDROOT_DIR=$BUILDROOT_DIR is no checkout of Buildroot"
		(cd "$BUILDROOT_DIR" && pwd)
		return
	fi
	if [ "$(git -C "$work/$RELEASE" rev-parse HEAD 2>/dev/null)" != "$COMMIT" ]; then
		rm -rf "${work:?}/$RELEASE"
		mkdir -p "$work"
		git clone --quiet --depth 1 --branch "$RELEASE" -c advice.detachedHead=false "$HOME_OF_BUILDROOT" "$work/$RELEASE.new" >&2
		[ "$(git -C "$work/$RELEASE.new" rev-parse HEAD)" = "$COMMIT" ] || stop "Buildroot $RELEASE is not the commit $COMMIT"
		mv "$work/$RELEASE.new" "$work/$RELEASE"
	fi
	echo "$work/$RELEASE"
}

stop() {
	echo "buildroot.sh: $*" >&2
	exit 1
}

# make in the output folder of a configuration: build CONFIGURATION FOLDER TARGETS...
build() {
	configuration=$1
	folder=$2
	shift 2
	make -s -C "$top" O="$folder" BR2_EXTERNAL="$external" "${configuration}_defconfig" >/dev/null
	# some dropped lines only show here: Kconfig itself is silent about them
	"$python" "$top/support/scripts/check-dotconfig.py" "$folder/.config" "$external/configs/${configuration}_defconfig"
	[ $# = 0 ] || make -C "$folder" "$@"
}

image() {
	"$tree/scripts/make-dev-ca.sh" "$tree/build/keys"
	SOURCE_DATE_EPOCH=$(git -C "$tree" log -1 --format=%ct)
	ISTARS_OUT=$out
	export SOURCE_DATE_EPOCH ISTARS_OUT
	mkdir -p "$out"
	if [ -f "$external/configs/${card}_boot_defconfig" ] && [ -z "${ISTARS_UBOOT:-}" ]; then
		build "${card}_boot" "$work/${card}_boot" all
		ISTARS_UBOOT=$work/${card}_boot/images/u-boot-dtb.imx
		export ISTARS_UBOOT
		cp "$ISTARS_UBOOT" "$out"
	fi
	build "$card" "$work/$card" all
	sbom
	legal
	[ "$card" != istars_qemu ] || PYTHONPATH=$tree/scripts "$python" -m testbed.built "$work/$card/images" "$work/$card/qemu"
	ls -l "$out"
}

sbom() {
	build "$card" "$work/$card"
	mkdir -p "$out"
	make -s -C "$work/$card" show-info | "$python" "$top/utils/generate-cyclonedx" >"$out/$card.sbom.json"
}

legal() {
	build "$card" "$work/$card" -s legal-info
	mkdir -p "$out"
	cp "$work/$card/legal-info/manifest.csv" "$out/$card.licences.csv"
}

# Everything that can be known without building: no line of a configuration is lost, the options that make the card hard to attack are
# what came of it, Buildroot's own lint, versions and licences of all packages, and the list of parts (SBOM).
check() {
	new=$(mktemp -d)
	trap 'rm -rf "$new"' EXIT
	# the list of known licences comes over the network; without it licences are names instead of identifiers
	mkdir -p "$new/dl/cyclonedx"
	schema=$(sed -n 's/^CYCLONEDX_VERSION = "\(.*\)"$/\1/p' "$top/utils/generate-cyclonedx")
	echo '{"enum": []}' >"$new/dl/cyclonedx/spdx-$schema.schema.json"
	find "$external" -type f -exec "$python" "$top/utils/check-package" -b {} + >"$new/lint" 2>&1 || {
		cat "$new/lint" >&2
		exit 1
	}
	running=""
	for file in "$external"/configs/*_defconfig; do
		check_configuration "$file" "$new" &
		running="$running $!"
	done
	for each in $running; do
		wait "$each"
	done
}

check_configuration() {
	name=$(basename "$1" _defconfig)
	build "$name" "$2/$name"
	make -s -C "$2/$name" savedefconfig BR2_DEFCONFIG="$2/$name.saved" >/dev/null
	cmp -s "$1" "$2/$name.saved" || stop "$name: not as savedefconfig writes it: $(diff "$1" "$2/$name.saved" | grep '^[<>]' | head -n 3)"
	for option in BR2_SSP_STRONG BR2_RELRO_FULL BR2_PIC_PIE BR2_REPRODUCIBLE BR2_DOWNLOAD_FORCE_CHECK_HASHES; do
		grep -qx "$option=y" "$2/$name/.config" || stop "$name: $option is not set"
	done
	make -s -C "$2/$name" show-info >"$2/$name.json"
	BR2_DL_DIR=$2/dl "$python" "$top/utils/generate-cyclonedx" <"$2/$name.json" >"$2/$name.sbom" 2>/dev/null
	"$python" "$tree/scripts/buildroot_info.py" "$2/$name.json" "$2/$name.sbom"
}

top=$(buildroot)
case "${1:-}" in
image | sbom | legal | check) "$1" ;;
*) stop "image, sbom, legal or check" ;;
esac
