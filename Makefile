# Verbs of the project. `make help` lists them; variables are in README.md.
PYTHON ?= python3
VENV   := build/venv
PY     := $(VENV)/bin/python
CONFIG := app/pyproject.toml
export PYTHONPATH := $(CURDIR)/app:$(CURDIR)/tests
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help run sim test test-image testbed qemu check audit format bench fuzz setup clean image sbom legal check-buildroot

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 18

$(VENV)/run.stamp: app/requirements.txt
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "Python cannot make an environment: apt install python3-venv"; exit 1; }
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --quiet -r app/requirements.txt
	@touch $@

$(VENV)/test.stamp: $(VENV)/run.stamp tests/requirements.txt
	@$(PY) -m pip install --quiet -r tests/requirements.txt
	@touch $@

run: $(VENV)/run.stamp ## the card with a simulated UPS, in the browser (UPS=, UPS_PROTOCOL=, HTTP_PORT=, ISTARS_ROOT=)
	@exec $(PY) scripts/run.py

sim: $(VENV)/run.stamp ## steer the simulated UPS: make sim CMD="mains off" (CMD=help lists the words)
	@$(PY) -m simulators.control "$${ISTARS_ROOT:-build/run}/run/istars/sim.sock" $(CMD)

setup: ## what the tests need: Debian packages through apt, Python packages through pip
	@PYTHON=$(PYTHON) scripts/setup-tests.sh
	@$(MAKE) -s $(VENV)/test.stamp

check: $(VENV)/test.stamp ## lint, types, security, unit and contract tests: the inner loop, under a minute
	@$(VENV)/bin/ruff format --quiet --check --config $(CONFIG) app tests scripts
	@$(VENV)/bin/ruff check --quiet --config $(CONFIG) app tests scripts
	@$(VENV)/bin/mypy --config-file $(CONFIG) -p istars
	@$(VENV)/bin/bandit --quiet --configfile $(CONFIG) --recursive app/istars scripts
	@$(PY) -m pytest -c $(CONFIG) --rootdir . -n 3 -m "not thorough" tests/unit tests/contract

testbed: $(VENV)/run.stamp ## the card's image on packages of Debian, for QEMU: a minute or two the first time; needs root
	@PYTHONPATH=scripts $(PY) -m testbed

qemu: testbed ## the card's image in QEMU, with a simulated UPS (HTTPS_PORT=, UPS=, IMAGE=, FRESH=1)
	@exec $(PY) scripts/qemu.py

test-image: $(VENV)/test.stamp $(if $(IMAGE),,testbed) ## the image in QEMU: start, update, rollback, 20 power cuts (IMAGE= another image.json, SEED=)
	@$(PY) -m pytest -c $(CONFIG) --rootdir . -n 3 --no-loadscope-reorder --durations 12 tests/image

test: setup check ## everything
	@$(PY) -m pytest -c $(CONFIG) --rootdir . -n 3 -m thorough tests/unit tests/contract
	@$(PY) -m pytest -c $(CONFIG) --rootdir . -n 5 tests/integration tests/peers tests/browser
	@$(MAKE) --silent test-image

# `check` knows vulnerabilities up to 2021 without any network; this asks for today's, and fails where the service cannot be reached.
audit: $(VENV)/run.stamp ## ask PyPI which of the pinned packages are known to be vulnerable (needs the internet)
	@$(PY) -m venv build/audit
	@build/audit/bin/pip install --quiet pip-audit==2.10.1
	@build/audit/bin/pip-audit --strict --disable-pip --no-deps --progress-spinner off -r app/requirements.txt -r tests/requirements.txt

format: $(VENV)/test.stamp ## put the code in shape
	@$(VENV)/bin/ruff format --quiet --config $(CONFIG) app tests scripts
	@$(VENV)/bin/ruff check --quiet --fix --config $(CONFIG) app tests scripts

bench: $(VENV)/test.stamp ## measure: ratios and counts of one run, beside the goals of tests/bench/README.md
	@$(PY) -m bench

fuzz: $(VENV)/test.stamp ## ten million bytes of noise through every framer and decoder
	@FUZZ_BYTES=$${FUZZ_BYTES:-500000} $(PY) -m pytest -c $(CONFIG) --rootdir . -n 2 tests/unit/drivers/test_fuzz.py
image: ## the card's image with Buildroot: package, medium, list of parts, licences in firmware/out (CARD=, BUILDROOT_DIR=)
	@scripts/buildroot.sh image

sbom: ## the parts of the image and their versions, CycloneDX (CARD=, BUILDROOT_DIR=)
	@scripts/buildroot.sh sbom

legal: ## the licences of the image; brings every source (CARD=, BUILDROOT_DIR=)
	@scripts/buildroot.sh legal

check-buildroot: $(VENV)/test.stamp ## what Buildroot says of buildroot-external, without building (BUILDROOT_DIR=)
	@PYTHON=$(CURDIR)/$(PY) scripts/buildroot.sh check

clean: ## remove what was built (settings and records of `make run` too)
	@rm -rf build
