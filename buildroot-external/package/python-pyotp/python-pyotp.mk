################################################################################
#
# python-pyotp
#
################################################################################

PYTHON_PYOTP_VERSION = 2.12.0
PYTHON_PYOTP_SOURCE = pyotp-$(PYTHON_PYOTP_VERSION).tar.gz
PYTHON_PYOTP_SITE = https://files.pythonhosted.org/packages/81/51/02d8f9400d6e86fa9358bc091d31d20d325ba833d209099a22fc7784e653
PYTHON_PYOTP_SETUP_TYPE = hatch
PYTHON_PYOTP_LICENSE = MIT
PYTHON_PYOTP_LICENSE_FILES = LICENSE
PYTHON_PYOTP_DEPENDENCIES = host-python-hatch-vcs

$(eval $(python-package))
