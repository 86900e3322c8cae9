################################################################################
#
# python-supervisor
#
################################################################################

PYTHON_SUPERVISOR_VERSION = 4.3.0
PYTHON_SUPERVISOR_SOURCE = supervisor-$(PYTHON_SUPERVISOR_VERSION).tar.gz
PYTHON_SUPERVISOR_SITE = https://files.pythonhosted.org/packages/a9/b5/37e7a3706de436a8a2d75334711dad1afb4ddffab09f25e31d89e467542f
PYTHON_SUPERVISOR_SETUP_TYPE = setuptools
PYTHON_SUPERVISOR_LICENSE = BSD-like, rdflib (http_client.py), PSF (medusa)
PYTHON_SUPERVISOR_LICENSE_FILES = LICENSES.txt
PYTHON_SUPERVISOR_CPE_ID_VENDOR = supervisord
PYTHON_SUPERVISOR_CPE_ID_PRODUCT = supervisor

$(eval $(python-package))
