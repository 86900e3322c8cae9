include $(sort $(wildcard $(BR2_EXTERNAL_ISTARS_PATH)/package/*/*.mk))

# The choice of the slot, compiled into U-Boot: no slot and nothing on the medium can change it.
define ISTARS_UBOOT_ENVIRONMENT
	$(BR2_EXTERNAL_ISTARS_PATH)/boards/common/uboot-env.sh $(call qstrip,$(BR2_ISTARS_BOARD)) >$(@D)/istars.env
endef
UBOOT_POST_PATCH_HOOKS += ISTARS_UBOOT_ENVIRONMENT
