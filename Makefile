SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
BIN := .venv/bin
ROOT ?= .
# Two processes for tests, a file at a time and in the order of the files.
WORKERS ?= 2
PARALLEL := -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: help setup demo up test check lint notebooks benchmarks faults advisories lock pictures clean

help: ## list the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

setup: .venv/.done ## create .venv and install the locked dependencies (uv if it is there, else pip)

# The interpreter is PYTHON, or the first that runs of python3 and python3.13, 3.12, 3.11.
.venv/.done: requirements.lock pyproject.toml
	@fits='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'; \
	python=""; for name in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
	  if "$$name" -c "$$fits" 2>/dev/null; then python="$$name"; break; fi; done; \
	if [ -z "$$python" ]; then echo "no Python 3.11 to 3.13 found; install one, or name it: make setup PYTHON=/path/to/python" >&2; exit 2; fi; \
	if ! $(BIN)/python -c "$$fits" 2>/dev/null; then rm -rf .venv; fi; \
	if command -v uv >/dev/null; then \
	  [ -d .venv ] || uv venv --quiet --python "$$(command -v "$$python")" .venv; \
	  uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock; \
	  uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .; \
	else \
	  [ -d .venv ] || "$$python" -m venv .venv; \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock; \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .; \
	fi; touch $@

demo: setup ## the whole loop on real flights: service, dashboard, JupyterLab, traffic (ROOT=examples/late: the second task)
	@$(BIN)/python main.py --root $(ROOT) up --demo

up: setup ## the same without the traffic, on what workbench.toml describes
	@$(BIN)/python main.py --root $(ROOT) up

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint ## lint, types, import contracts, quick tests and doctests
	$(BIN)/python -m pytest -q $(PARALLEL) -m "not slow and not browser"

notebooks: setup ## run every notebook and compare what it says with what it said
	TQDM_DISABLE=1 $(BIN)/python -m pytest -q $(PARALLEL) --nbval $(filter-out notebooks/dashboard.ipynb,$(wildcard notebooks/*.ipynb)) --nbval-current-env \
	  --nbval-sanitize-with=notebooks/sanitize.cfg --nbval-cell-timeout=120 --nbval-kernel-startup-timeout=120 -p no:cacheprovider

test: lint ## everything: also real processes, notebooks, and the dashboard in Chromium where one is found
	$(BIN)/python -m pytest -q -rs $(PARALLEL)
	$(MAKE) --no-print-directory notebooks

benchmarks: setup ## measure verdicts: false alarms, power, delay, selection, serving, cost, pages, mutations (over an hour)
	@$(BIN)/python -m tests.benchmarks.drift_proof
	@$(BIN)/python -m tests.benchmarks.performance_proof
	@$(BIN)/python -m tests.benchmarks.selection_proof
	@$(BIN)/python -m tests.benchmarks.beside_a_retrain
	@$(BIN)/python -m tests.benchmarks.compiled_rows
	@$(BIN)/python -m tests.benchmarks.request_path
	@$(BIN)/python -m tests.benchmarks.start
	@$(BIN)/python -m tests.benchmarks.switching
	@$(BIN)/python -m tests.benchmarks.peers_serving
	@$(BIN)/python -m tests.benchmarks.page_cost
	@$(BIN)/python -m tests.benchmarks.notebook_mutations

faults: setup ## break everything on purpose, the long form; prints a table of what was lost and wrong (FAULTS: rooms)
	@$(BIN)/python -m tests.faults $(FAULTS)

advisories: setup ## ask a database of advisories about the lock (pip-audit, in an environment of its own)
	@$(BIN)/python -m tests.advisories

lock: ## resolve requirements.lock anew from pyproject.toml (needs uv)
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes --upgrade \
	  --no-annotate --no-header -o requirements.lock

pictures: setup ## take the pictures of the README (docs/) by the browser tests, which leave more in pictures/tests
	@rm -rf pictures/tests/readme
	@$(BIN)/python -m pytest -q -m pictures tests/browser
	@cp -v pictures/tests/readme/*.png docs/

clean: ## forget all versions and records of ROOT
	find $(ROOT)/versions $(ROOT)/metrics -mindepth 1 -not -name README.md -delete
