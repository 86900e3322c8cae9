################################################################################
#
# istars-app
#
################################################################################

ISTARS_APP_VERSION = $(shell sed -n 's/^version = "\(.*\)"$$/\1/p' $(BR2_EXTERNAL_ISTARS_PATH)/../app/pyproject.toml)
ISTARS_APP_SITE = $(BR2_EXTERNAL_ISTARS_PATH)/../app
ISTARS_APP_SITE_METHOD = local
ISTARS_APP_SETUP_TYPE = setuptools
ISTARS_APP_LICENSE = Apache-2.0

$(eval $(python-package))
