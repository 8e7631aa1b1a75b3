# Every command of the project. No environment has to be active: each target uses the environments it makes itself.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

# A virtual environment that happens to be active must neither help nor hurt.
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME CONDA_PREFIX UV_PYTHON

# sam, drctl and `python3.12` (which `sam build` looks for) are found through PATH; last a 3.12 of pyenv's, which serves
# even where pyenv's shims are not on PATH or point elsewhere.
CALLERS_PATH := $(PATH)
PYENV_PYTHON := $(lastword $(wildcard $(or $(PYENV_ROOT),$(HOME)/.pyenv)/versions/3.12*/bin/python3.12))
export PATH := $(CURDIR)/.venv/bin:$(CURDIR)/.venv-sam/bin:$(PATH)$(if $(PYENV_PYTHON),:$(dir $(PYENV_PYTHON)))

PYTHON := .venv/bin/python
UV := .venv-boot/bin/uv

.PHONY: help
help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: .venv/.installed .venv-sam/.installed ## Install everything into .venv and .venv-sam (needs Python 3.9 or newer and PyPI)
	@:

# Started outside the project: pyenv would refuse `python3` here on a machine whose pyenv has no 3.12, and uv can fetch one.
.venv-boot/.installed: requirements/boot.txt
	@echo "setup: uv"
	@cd / && PATH="$(CALLERS_PATH)" python3 -m venv --clear "$(CURDIR)/.venv-boot"
	@.venv-boot/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/boot.txt
	@touch $@

.venv/.installed: requirements/dev.txt pyproject.toml .python-version | .venv-boot/.installed
	@echo "setup: Python $$(cat .python-version) and the project's packages"
	@$(UV) venv --quiet --allow-existing --no-project --python "$$(cat .python-version)" .venv || \
	  { echo "setup: there is no Python $$(cat .python-version) here and it could not be downloaded: install one" >&2; exit 1; }
	@$(UV) pip sync --quiet --compile-bytecode --python .venv --require-hashes requirements/dev.txt
	@$(UV) pip install --quiet --python .venv --no-deps --no-build-isolation --editable .
	@touch $@

.venv-sam/.installed: requirements/sam.txt .python-version | .venv-boot/.installed
	@echo "setup: the SAM CLI"
	@$(UV) venv --quiet --allow-existing --no-project --python "$$(cat .python-version)" .venv-sam
	@$(UV) pip sync --quiet --compile-bytecode --python .venv-sam --require-hashes requirements/sam.txt
	@touch $@

.venv-audit/.installed: requirements/audit.txt .python-version | .venv-boot/.installed
	@echo "setup: the auditors"
	@$(UV) venv --quiet --allow-existing --no-project --python "$$(cat .python-version)" .venv-audit
	@$(UV) pip sync --quiet --python .venv-audit --require-hashes requirements/audit.txt
	@touch $@

.PHONY: up
up: setup ## Start the embedded stack [DRS_ENDPOINT=url WAIT_SCALE=0.05 SPEED=60 SCENARIO=three-tier]
	@exec $(PYTHON) -m embedded up

.PHONY: down
down: setup ## Stop the embedded stack and remove what it left
	@exec $(PYTHON) -m embedded down

.PHONY: demo
demo: setup ## Watch a drill and a recovery on an embedded stack of its own, then stop it
	@exec $(PYTHON) -m embedded demo

.PHONY: sim
sim: setup ## Run the DRS simulator alone [PORT=9999 SPEED=60 SCENARIO=three-tier]
	@exec $(PYTHON) -m drs_simulator --port $(or $(PORT),9999) --speed $(or $(SPEED),60) --scenario $(or $(SCENARIO),three-tier)

.PHONY: build
build: setup ## Build the functions with `sam build`
	@exec sam build

# Load tests, slow ones and those that need a container engine are asked for by their marker.
NOT_HERE := not load and not docker and not slow

# In two processes: while the tests in one wait for their stack, those in the other have both cores.
.PHONY: test
test: setup ## Run every test except load, slow and docker
	@$(PYTHON) -m pytest -q -n 2 --dist loadgroup -m "$(NOT_HERE)" $(PYTEST_ARGS)

.PHONY: containers
containers: setup ## Run the tests that need a container engine: each function in its container, Step Functions Local
	@$(PYTHON) -m pytest -q -m docker tests $(PYTEST_ARGS)

.PHONY: soak
soak: setup ## Run the reliability proofs in full: every crash point, pairs, 10,000 random histories, weeks of polling
	@SOAK=1 $(PYTHON) -m pytest -q -n 2 tests/reliability $(PYTEST_ARGS)

.PHONY: reliability
reliability: setup ## The same, and what came of it into docs/reliability.md [HISTORIES=10000]
	@exec $(PYTHON) -m tests.reliability.report --processes 2 --histories $(or $(HISTORIES),10000)

.PHONY: bench
bench: setup ## Measure what the project says about speed and cost, into docs/performance.md
	@exec $(PYTHON) -m benchmarks

.PHONY: check
check: lint types template coverage ## Everything CI runs: lint, types, template and tests with coverage

.PHONY: lint
lint: setup ## Style, imports and the contracts between packages
	@ruff check .
	@ruff format --check .
	@lint-imports --no-cache

.PHONY: types
types: setup ## mypy, strict
	@mypy

.PHONY: template
template: setup ## Validate and lint the templates
	@sam validate --lint
	@cfn-lint --append-rules tools/cfn_rules -t template.yaml target-account.yaml

PIP_AUDIT := $(PYTHON) -m $(if $(ADVISORIES),tools.advisories "$(ADVISORIES)",pip_audit)

# Exceptions stand with their reasons in .checkov.yaml. --strict: a package PyPI tells nothing of is a failure, not a pass.
# Audited is what is deployed: what is only a tool here can't be reached from outside, and most of it is pinned by others.
.PHONY: audit
audit: setup .venv-audit/.installed ## Template, workflows and packaged libraries against known mistakes [ADVISORIES=folder]
	@.venv-audit/bin/checkov --config-file .checkov.yaml
	@.venv-audit/bin/zizmor --offline --persona auditor .github/workflows
	@$(PIP_AUDIT) --strict --disable-pip --requirement functions/requirements.txt

# The tests of `make test` once more under coverage's eyes, which drs_orchestrator must pass.
.PHONY: coverage
coverage: PYTEST_ARGS += --cov --cov-append --cov-report= --cov-fail-under=0
coverage: setup
	@coverage erase
	@$(MAKE) --no-print-directory test PYTEST_ARGS="$(PYTEST_ARGS)"
	@coverage report

LOCK := $(UV) pip compile --quiet --universal --python-version 3.12 --generate-hashes --no-header --no-emit-index-url

.PHONY: lock
lock: .venv-boot/.installed ## Bring the pinned requirements up to date
	@for name in audit boot dev sam; do \
	  $(LOCK) --upgrade requirements/$$name.in --output-file requirements/$$name.txt || exit 1; \
	done
	@$(LOCK) --upgrade requirements/functions.in --constraints requirements/dev.txt --output-file functions/requirements.txt

.PHONY: clean
clean: ## Remove environments, builds and caches
	@if [ -x $(PYTHON) ]; then $(PYTHON) -m embedded down >/dev/null; fi
	@rm -rf .venv .venv-sam .venv-boot .venv-audit .aws-sam .local .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
