# Everything lives in .venv; no step needs root except the Debian packages that a test needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?= ../shared/data

.DEFAULT_GOAL := help

help: ## say what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(VENV)/.core: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.dev: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[all,dev]"
	@touch $@ $(VENV)/.core

demo: $(VENV)/.core ## make the environment, then the whole chain on synthetic radiographs, and print where the report lies
	$(BIN)/cxrlens demo --out demo

setup: $(VENV)/.dev ## make the environment with all that development needs

debian: ## Debian packages that some tests need (an archive, a browser, DICOM tools); asks for root, and goes on without
	@sh tests/debian_packages.sh

test: $(VENV)/.dev debian ## run the tests (under 10 minutes on 2 cores)
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.dev ## ruff, mypy and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove the environment and the demo
	rm -rf $(VENV) demo

.PHONY: help demo setup debian test lint format clean
