# Everything a newcomer needs: `make demo` and `make test` set themselves up. Nothing but Python 3.11+ and make is assumed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test lint spec coverage-page bench push-thousand import-million fuzz laws check-broken kill-import clean help
.DEFAULT_GOAL := help

help:  ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 ..."; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt hatchling editables
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-build-isolation --editable '.[dev]'
	@touch $@

demo: $(STAMP)  ## play the guide "Import existing invoices" with the official SDK; SERVE=1 leaves the server running
	@$(BIN)/metronome-sandbox demo $(if $(SERVE),--serve)

test: $(STAMP) lint  ## lint, types, layers, and all tests
	$(BIN)/python -m pytest -n 2 --dist worksteal --cov --cov-report=term:skip-covered

lint: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m metronome_sandbox.spec.bundle --check

spec: $(STAMP)  ## bundle openapi.yaml and openapi-sandbox.yaml into the JSON that the package ships
	$(BIN)/python -m metronome_sandbox.spec.bundle

coverage-page: $(STAMP)  ## write docs/coverage.md: which operations work, and which tests call them
	PYTHONPATH=tests $(BIN)/python -m docs_examples.coverage

bench: $(STAMP)  ## compare with bare ASGI and, where they are installed, other mock servers
	$(BIN)/python -m bench

push-thousand: $(STAMP)  ## generate 1,000 customers of each profile, push them, and find every total equal (minutes)
	$(BIN)/python -m bench.push

import-million: $(STAMP)  ## import old invoices of a million lines and read them back (a quarter of an hour)
	$(BIN)/python -m bench.imports

laws: $(STAMP)  ## the Hypothesis laws with many more examples (minutes)
	HYPOTHESIS_PROFILE=campaign $(BIN)/python -m pytest -n 2 tests/laws

fuzz: $(STAMP)  ## Schemathesis over the whole document with many more requests (an hour)
	SCHEMATHESIS_PROFILE=campaign $(BIN)/python -m pytest -n 2 tests/contract

check-broken: $(STAMP)  ## `check` with all requests of the profile smoke against every sandbox with a planted fault (minutes)
	CHECK_BROKEN=all $(BIN)/python -m pytest -n 2 tests/toolkit/broken

kill-import: $(STAMP)  ## an import killed with kill -9 at 50 random points and run again (minutes); KILL_IMPORT_SEED=n draws others
	KILL_IMPORT_POINTS=50 $(BIN)/python -m pytest tests/importer/test_killed.py

clean:  ## remove the environment and all caches
	rm -rf $(VENV) build dist .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache src/*.egg-info
