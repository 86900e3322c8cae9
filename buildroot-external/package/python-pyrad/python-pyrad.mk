################################################################################
#
# python-pyrad
#
################################################################################

PYTHON_PYRAD_VERSION = 2.6.0
PYTHON_PYRAD_SOURCE = pyrad-$(PYTHON_PYRAD_VERSION).tar.gz
PYTHON_PYRAD_SITE = https://files.pythonhosted.org/packages/74/34/741f455f4d0f2a349f7436915fcb2a90c8a75c35ac1fd20824fa11aee6b6
PYTHON_PYRAD_SETUP_TYPE = setuptools
PYTHON_PYRAD_LICENSE = BSD-3-Clause
PYTHON_PYRAD_LICENSE_FILES = LICENSE.txt

$(eval $(python-package))
