# What a card's own U-Boot does, for the U-Boot of Debian (u-boot-qemu), whose environment lies where Linux cannot reach it.
# The environment in the partitions env and env-red has U-Boot's format for two copies: CRC-32, a counter of one byte, text.
# `env import -c` knows the format for one copy only: CRC-32, text; so the counter is cut out before and put in after.
setenv copy1 41000000
setenv copy2 41010000
setenv plain 41020000
setenv image 46000000
setenv text @text@
setenv whole @whole@
setenv blocks @blocks@
part start virtio 0 env start1
part start virtio 0 env-red start2
virtio read ${copy1} ${start1} ${blocks}
virtio read ${copy2} ${start2} ${blocks}
setexpr.b count1 *41000004
setexpr.b count2 *41010004
setenv newer 1
if itest ${count2} > ${count1}; then setenv newer 2; fi
if itest ${count1} == ff && itest ${count2} == 0; then setenv newer 2; fi
if itest ${count2} == ff && itest ${count1} == 0; then setenv newer 1; fi
setenv older 2
if test ${newer} = 2; then setenv older 1; fi
setenv used
for number in ${newer} ${older}; do
	if test -z "${used}"; then
		if test ${number} = 1; then setenv copy ${copy1}; else setenv copy ${copy2}; fi
		setexpr from ${copy} + 5
		setexpr to ${plain} + 4
		cp.b ${copy} ${plain} 4
		cp.b ${from} ${to} ${text}
		if env import -c ${plain} ${whole} BOOT_ORDER BOOT_A_LEFT BOOT_B_LEFT; then setenv used ${number}; fi
	fi
done
test -n "${used}" || echo "neither copy of the environment is good; it begins anew"
@select@
# The copy that is older, or that was not good, is written: the other one stays until this one is whole.
if test "${used}" = 1; then
	setenv copy ${copy2}
	setenv start ${start2}
	setexpr count ${count1} + 1
else
	setenv copy ${copy1}
	setenv start ${start1}
	setexpr count ${count2} + 1
fi
env export -c -s ${whole} ${plain} BOOT_ORDER BOOT_A_LEFT BOOT_B_LEFT
setexpr from ${plain} + 4
setexpr to ${copy} + 5
cp.b ${plain} ${copy} 4
cp.b ${from} ${to} ${text}
setexpr at ${copy} + 4
mw.b ${at} ${count} 1
virtio write ${copy} ${start} ${blocks}
test -n "${slot}" || reset
echo "slot ${slot}, order ${BOOT_ORDER}, tries left A ${BOOT_A_LEFT} B ${BOOT_B_LEFT}"
part start virtio 0 boot-${label} start
part size virtio 0 boot-${label} size
virtio read ${image} ${start} ${size}
# norandmaps: QEMU 7.2 translates code anew for each address that it runs at. With random addresses every program that is started adds
# to what is noted for the pages of libc, and a write to such a page walks through all of it: a start takes twice as long.
setenv bootargs "console=@console@ root=PARTLABEL=rootfs-${label} rootwait ro init=/sbin/init-istars rauc.slot=${slot} panic=5 oops=panic norandmaps"
# a card's own image has no initramfs
setenv ramdisk -
if fdt addr ${image} && fdt get value found /configurations/standard ramdisk; then setenv ramdisk ${image}#standard; fi
bootm ${image}#standard ${ramdisk} ${fdt_addr}
echo "slot ${slot} cannot be started"
reset
