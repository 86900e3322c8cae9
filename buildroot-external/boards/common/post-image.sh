#!/bin/sh
# Called by Buildroot when the root file system is packed: post-image.sh IMAGES BOARD. Makes what is released: the update package
# and the image of the medium. Keys: firmware/README.md.
set -eu
images=$1
board=$2
tree=$(cd "$(dirname "$0")/../../.." && pwd)
own=$tree/buildroot-external/boards/$board
out=${ISTARS_OUT:-$tree/firmware/out}
keys=$tree/build/keys
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$tree/app/pyproject.toml")
compatible=$(sed -n 's/^ *"compatible": *"\([^"]*\)".*/\1/p' "$own/board.json")

# no larger than agreed: within FILE MEBIBYTES
within() {
	[ "$(stat -c %s "$1")" -le $(($2 * 1048576)) ] || {
		echo "post-image.sh: $1 has more than $2 MB" >&2
		exit 1
	}
}

cd "$images"
mkdir -p "$out"
within rootfs.squashfs 24
# what it takes in lies beside it
cp "$own/fit.its" .
mkimage -f fit.its boot.itb >/dev/null
python3 "$tree/scripts/bundle.py" --version "$version" --compatible "$compatible" --rootfs rootfs.squashfs --boot boot.itb \
	--key "${ISTARS_KEY:-$keys/dev-signer.key}" --cert "${ISTARS_CERT:-$keys/dev-signer.pem}" \
	--keyring "${ISTARS_KEYRING:-$keys/dev-ca.pem}" -o iStars.raucb
python3 "$tree/scripts/package.py" --bundle iStars.raucb --version "$version" --compatible "$compatible" -o "$out/iStars.tar.gz"
within "$out/iStars.tar.gz" 32

# the medium: both slots hold this version, and the boot loader where it was built (istars_nv_boot_defconfig)
size=$(sed -n 's/.*"environment".*"size": *\([0-9]*\).*/\1/p' "$tree/firmware/partitions.json")
printf 'BOOT_ORDER=A B\nBOOT_A_LEFT=3\nBOOT_B_LEFT=3\n' | mkenvimage -r -s "$size" -o env.bin -
rm -f data.ext4
E2FSPROGS_FAKE_TIME="${SOURCE_DATE_EPOCH:-1}" mke2fs -q -t ext4 -L data -U 6f1c3f0a-0c52-4d8e-9b1e-15da7a000001 -E hash_seed=6f1c3f0a-0c52-4d8e-9b1e-15da7a000002,root_owner=0:0 \
	data.ext4 "$(python3 "$tree/scripts/genimage.py" "$tree/firmware/partitions.json" --data-mib)M"
python3 "$tree/scripts/genimage.py" "$tree/firmware/partitions.json" ${ISTARS_UBOOT:+--uboot "$ISTARS_UBOOT"} >genimage.cfg
rm -rf genimage.tmp genimage.root
mkdir genimage.root
genimage --rootpath genimage.root --tmppath genimage.tmp --inputpath . --outputpath . --config genimage.cfg
rm -rf genimage.tmp genimage.root
mv sdcard.img "$out/sdcard.img"
(cd "$out" && sha256sum iStars.tar.gz sdcard.img >SHA256SUMS)
