# `make help` lists what there is. Everything runs from .venv, which is made on first use.
PYTHON ?= python3
BIN := .venv/bin
CODE := $(wildcard src tests benchmarks examples)

.DEFAULT_GOAL := help
.PHONY: help venv demo check lint types contracts real-parts test bench lock clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

venv: .venv/.project ## make .venv with the locked packages and this project

.venv/.packages: requirements/dev.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	touch $@

.venv/.project: .venv/.packages pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

demo: venv ## break two services and a worker, watch them heal (ONCE=1 ends by itself)
	$(BIN)/devops-agent demo $(if $(ONCE),--once)

check: lint types contracts ## what finds most mistakes, in under a minute: no real parts, no slow tests
	HYPOTHESIS_PROFILE=quick $(BIN)/python -m pytest --quiet --numprocesses 2 --ignore=tests/real -m "not real and not slow"

lint: venv ## ruff: rules and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: venv ## mypy, strict
	$(BIN)/mypy $(CODE)

contracts: venv ## which module may import which
	$(BIN)/lint-imports

real-parts: ## install what tests/real and the benchmarks run against: Debian packages; servers and a language model into build/
	scripts/real-parts.sh
	scripts/memory-keeper.sh
	scripts/maildev.sh
	scripts/vendor-interfaces.sh
	scripts/axe.sh
	PYTHON=$(PYTHON) scripts/logql.sh
	PYTHON=$(PYTHON) scripts/local-model.sh

test: lint types contracts real-parts ## everything: the real parts in one lane, all else in the other
	$(BIN)/python -m pytest --numprocesses 2 --dist loadgroup

bench: venv ## measure, and compare with the budgets
	$(BIN)/python -m benchmarks all

# A machine's own pip settings must not show in the lock files.
PIP_COMPILE = env -u PIP_FIND_LINKS -u PIP_INDEX_URL -u PIP_EXTRA_INDEX_URL PIP_CONFIG_FILE=/dev/null \
	CUSTOM_COMPILE_COMMAND="make lock" build/lock/bin/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options

lock: ## pin the newest versions, with hashes, into requirements/
	$(PYTHON) -m venv build/lock
	build/lock/bin/pip install --quiet --disable-pip-version-check pip-tools
	$(PIP_COMPILE) --upgrade --output-file requirements/base.txt pyproject.toml
	$(PIP_COMPILE) --upgrade --extra dev --constraint requirements/base.txt --output-file requirements/dev.txt pyproject.toml

clean: ## remove what can be made again, .venv too
	rm -rf .venv build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .schemathesis
	find src tests benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
