# Every command of the project. No environment has to be active: each target uses the environments it makes itself.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

# A virtual environment that happens to be active must neither help nor hurt.
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME CONDA_PREFIX UV_PYTHON

# sam, drctl and `python3.12` (which `sam build` looks for) are found through PATH.
export PATH := $(CURDIR)/.venv/bin:$(CURDIR)/.venv-sam/bin:$(PATH)

PYTHON := .venv/bin/python
UV := .venv-boot/bin/uv

.PHONY: help
help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: .venv/.installed .venv-sam/.installed ## Install everything into .venv and .venv-sam (needs Python 3.9 or newer and PyPI)

# Started outside the project: pyenv would refuse `python3` here on a machine whose pyenv has no 3.12, and uv can fetch one.
.venv-boot/.installed: requirements/boot.txt
	@echo "setup: uv"
	@cd / && python3 -m venv --clear "$(CURDIR)/.venv-boot"
	@.venv-boot/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/boot.txt
	@touch $@

.venv/.installed: requirements/dev.txt pyproject.toml .python-version | .venv-boot/.installed
	@echo "setup: Python $$(cat .python-version) and the project's packages"
	@$(UV) venv --quiet --allow-existing --no-project --python "$$(cat .python-version)" .venv
	@$(UV) pip sync --quiet --python .venv --require-hashes requirements/dev.txt
	@$(UV) pip install --quiet --python .venv --no-deps --no-build-isolation --editable .
	@touch $@

.venv-sam/.installed: requirements/sam.txt .python-version | .venv-boot/.installed
	@echo "setup: the SAM CLI"
	@$(UV) venv --quiet --allow-existing --no-project --python "$$(cat .python-version)" .venv-sam
	@$(UV) pip sync --quiet --python .venv-sam --require-hashes requirements/sam.txt
	@touch $@
