# Zgoda. `make help` lists what there is.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
UV_VERSION := 0.13.9
WORKERS ?= 2

.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

setup: $(STAMP) ## install everything into .venv

$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed (PYTHON=... chooses one)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "this Python has no ensurepip: install the package python3-venv"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $(STAMP)

run: setup ## the main job on two twins: plan, sync, edits, conflict, opt-out, merge, webhooks (ONCE=1 stops after it)
	@$(BIN)/zgoda demo $(if $(ONCE),--once)

real: setup ## the same job on a real Tryton and a real Odoo with real mails; installs them first (KEEP=1 lets them run)
	@$(BIN)/python -m tools.real prepare
	@$(BIN)/python -m tools.real story $(if $(KEEP),--keep,--once)

check: setup ## format, lint, types, import contracts
	@$(BIN)/ruff format --check src tests tools
	@$(BIN)/ruff check src tests tools
	@$(BIN)/pyright
	@$(BIN)/lint-imports

test: setup ## all tests
	@$(BIN)/pytest -n $(WORKERS) --dist loadfile

bench: setup ## how far from the tightest program that does the same job (NAME=p2 runs one, QUICK=1 only checks rows, FULL=1 a million)
	@$(BIN)/python -m tools.bench $(NAME) $(if $(QUICK),--quick) $(if $(FULL),--full)

docs: setup ## write the generated parts of the documentation anew
	@$(BIN)/python -m zgoda.settings.reference docs/configuration.md
	@$(BIN)/python -m zgoda.twins.reference docs/twins.md

coverage-of-ids: setup ## which acceptance, invariant and fault ids have a test, and which not
	@$(BIN)/python -m tools.coverage_of_ids

requirements: setup ## pin all dependencies anew, with hashes
	@for extra in run dev; do \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	    --no-emit-find-links --no-emit-index-url $$( [ $$extra = dev ] && echo --group dev ) pyproject.toml -o requirements/$$extra.txt; \
	done

.PHONY: docs help setup run real check test bench coverage-of-ids requirements
