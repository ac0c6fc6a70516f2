# The verbs of this project. CI calls the same ones.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# One stamp per installed set, so that a changed lock or pyproject installs again.
BASE := $(VENV)/.base
DEV := $(VENV)/.dev
MODELS := $(VENV)/.models
TORCH ?= torch==2.13.0
# `make test` runs these beside all others: two processes for two cores.
BESIDE := tests/conformance tests/faults tests/services tests/hooks tests/web tests/browser tests/db
PORT ?= 8000
ONCE ?=
export OMP_NUM_THREADS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo test test-long lint format bench docs docs-check llama-server lock clean

help: ## list the verbs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo 'MedGemma CDS needs Python 3.11 or newer; set PYTHON=/path/to/python3.11' >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
		{ echo 'Python lacks venv or pip; on Debian and Ubuntu: apt-get install python3-venv python3-pip' >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(BASE): $(VENV)/bin/python requirements.lock pyproject.toml
	@echo 'installing the service into $(VENV) …'
	@$(BIN)/pip install --quiet --requirement requirements.lock
	@$(BIN)/pip install --quiet --no-deps --editable .
	@touch $@

$(DEV): $(BASE) requirements-dev.lock
	@echo 'installing the development tools into $(VENV) …'
	@$(BIN)/pip install --quiet --requirement requirements-dev.lock
	@touch $@

$(MODELS): $(DEV) requirements-models.lock
	@echo 'installing torch and the model libraries into $(VENV) …'
	@$(BIN)/pip install --quiet $(TORCH)
	@$(BIN)/pip install --quiet --requirement requirements-models.lock
	@touch $@

demo: $(BASE) ## start the service with the simulator, fire two hooks at it, stay up (ONCE=1: stop after printing, PORT=…)
	@$(BIN)/medgemma-cds demo $(if $(ONCE),--once,--port $(PORT))

test: $(MODELS) ## all tests, reduced counts
	@$(BIN)/python -m pytest -m 'not long' $(BESIDE) >$(VENV)/beside.log 2>&1 & beside=$$!; \
	$(BIN)/python -m pytest -m 'not long' $(addprefix --ignore=,$(BESIDE)) tests; others=$$?; \
	wait $$beside; beside=$$?; cat $(VENV)/beside.log; exit $$((others || beside))

test-long: $(MODELS) ## all tests, full counts
	@$(BIN)/python -m pytest

lint: $(MODELS) ## ruff and mypy, which sees the model libraries too
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

format: $(DEV) ## ruff, mending
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

bench: $(MODELS) ## speed and memory, ratios printed
	@$(BIN)/python -m tests.benchmarks

docs: $(DEV) ## write the generated pages of docs/
	@$(BIN)/python -m cds_service.rules.documentation && $(BIN)/python -m cds_service.configuration_page
	@$(BIN)/python -m tests.conformance.page && $(BIN)/python -m tests.faults.page

docs-check: $(DEV) ## generated pages are current, links and commands of the docs exist
	@$(BIN)/python -m pytest tests/rules/scores/test_rules_page.py tests/conformance/test_page.py tests/faults/test_matrix_coverage.py tests/test_configuration_page.py tests/test_docs.py

llama-server: $(MODELS) ## build llama-server once (a real OpenAI-style server for the tests; needs a C++ compiler, cmake, ninja)
	@$(BIN)/python -m tests.models.llama_server_build

lock: $(VENV)/bin/python ## pin what pyproject.toml asks for
	@$(BIN)/pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --no-header --no-annotate --no-emit-index-url --python-version 3.11 --universal pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile --quiet --no-header --no-annotate --no-emit-index-url --python-version 3.11 --universal --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock
	@$(BIN)/uv pip compile --quiet --no-header --no-annotate --no-emit-index-url --python-version 3.11 --universal --extra local --extra vertex --extra model-tests -c requirements-dev.lock pyproject.toml -o requirements-models.lock

clean: ## remove what was installed and made, .cds-state with its database and key too
	@rm -rf $(VENV) .cds-state build dist *.egg-info
