# After firmware/uboot/select.cmd: note the try, then start the slot that was chosen. Whatever fails ends in a reset, so that the tries
# of a slot that cannot be started run out. boards/<board>/uboot.env says where: device, image, console.
saveenv
test -n "${slot}" || reset
echo "slot ${slot}, order ${BOOT_ORDER}, tries left A ${BOOT_A_LEFT} B ${BOOT_B_LEFT}"
part start mmc ${device} boot-${label} start
part size mmc ${device} boot-${label} size
mmc dev ${device} && mmc read ${image} ${start} ${size} || reset
setenv bootargs "console=${console},115200 root=PARTLABEL=rootfs-${label} rootwait ro init=/sbin/init-istars rauc.slot=${slot} panic=5 oops=panic"
bootm ${image}
echo "slot ${slot} cannot be started"
reset
