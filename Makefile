# Every duty of this checkout. Needs only make and Python 3.11 or newer: the rest goes into .venv, at locked versions.
.DEFAULT_GOAL := help
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
# Each command that a test starts would compile the whole product anew.
unexport PYTHONDONTWRITEBYTECODE
PYTHONS ?= python3.13 python3.12 python3.11 python3
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
LOCK := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links --upgrade --quiet

.PHONY: help demo test check docs screenshots bench bench-large chaos lock clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.runtime ## The whole job on a built-in fake server, in a temporary folder (start here)
	@$(BIN)/chat-hygiene demo

test: $(VENV)/.dev ## Every test, on SQLite and on a PostgreSQL that it starts and stops itself
	@$(BIN)/python -m pytest -n 4 --dist worksteal

check: $(VENV)/.dev ## Style, types and layers
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

docs: $(VENV)/.dev ## What is written from the code: docs/report-views.md and its like
	@$(BIN)/python docs/make.py

screenshots: $(VENV)/.dev ## Every page in both themes, into docs/screenshots (needs Chromium)
	@PYTHONPATH=tests $(BIN)/python tests/browser/screenshots.py docs/screenshots

bench: $(VENV)/.bench ## Measurements, each beside a reference of the same run; writes docs/benchmarks.md
	@PYTHONPATH=tests $(BIN)/python -m bench --write docs/benchmarks.md

bench-large: $(VENV)/.bench ## The same with the big sizes: half an hour
	@PYTHONPATH=tests $(BIN)/python -m bench --large --write docs/benchmarks.md

chaos: $(VENV)/.dev ## A thousand kills on each engine and every fault there is; writes docs/chaos.md
	@mkdir -p build docs && rm -f build/chaos.jsonl
	@export CHAOS=full CHAOS_TABLE=$(CURDIR)/build/chaos.jsonl; missed=0; \
	  $(BIN)/python -m pytest -m alone tests/chaos || missed=1; \
	  $(BIN)/python -m pytest -m "not alone" -n 3 --dist worksteal tests/chaos tests/e2e/test_many_processes.py || missed=1; \
	  $(BIN)/python tests/chaos/report.py build/chaos.jsonl docs/chaos.md && exit $$missed

lock: $(VENV)/.dev ## Newest versions that pyproject.toml allows, into the lock files
	@$(LOCK) --extra notify --group build --output-file requirements.lock
	@$(LOCK) --extra notify --group dev --constraint requirements.lock --output-file requirements-dev.lock
	@$(LOCK) --extra notify --group dev --group bench --constraint requirements-dev.lock --output-file requirements-bench.lock

clean: ## Removes .venv, caches and builds
	@rm -rf $(VENV) .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# An interpreter counts when it runs: a version manager's shim may exist and still lead nowhere.
$(BIN)/python:
	@for python in $(PYTHONS); do \
	  if "$$python" -c 'import ensurepip, venv, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "Making $(VENV) with $$("$$python" --version)" >&2; \
	    "$$python" -m venv --clear $(VENV) && exit 0; rm -rf $(VENV); \
	  fi; \
	done; \
	echo 'No Python 3.11 or newer with venv was found (tried: $(PYTHONS)).' >&2; \
	echo 'Install one (on Debian: python3 and python3-venv), or name yours: make PYTHONS=/path/to/python demo' >&2; \
	exit 1

# A stamp is touched last, so an interrupted install is made again.
$(VENV)/.runtime: requirements.lock pyproject.toml | $(BIN)/python
	@echo 'Installing what requirements.lock names' >&2
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	@echo 'Installing what requirements-dev.lock names' >&2
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

$(VENV)/.bench: requirements-bench.lock $(VENV)/.dev
	@echo 'Installing what requirements-bench.lock names' >&2
	@$(PIP) install --require-hashes -r requirements-bench.lock
	@touch $@
