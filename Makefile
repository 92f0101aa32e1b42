# Rollcast's commands. `make` alone lists them; each one sets up first whatever it needs.

VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.rollcast-installed
PEERS := .venv-peers
PEERS_STAMP := $(PEERS)/.rollcast-installed
EXTRAS := train,pipelines,classical,postgres,dev
PIP_ARGS ?=
TEST_ARGS ?=
TEST_WORKERS ?= 2
BENCHMARKS := $(filter-out __init__ competition trials golden digests revisions,$(basename $(notdir $(wildcard benchmarks/*.py))))

.DEFAULT_GOAL := help
.PHONY: help setup check format test test-all demo serve openapi bench peers clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(STAMP) ## make .venv and install the tested versions into it; instant when nothing changed

# The tested Python comes first; any newer one will do.
$(STAMP): pyproject.toml constraints.txt
	@set -e; \
	if [ ! -x $(BIN)/python ]; then \
	    found=""; \
	    for candidate in $(PYTHON) python3.11 python3.12 python3.13 python3.14 python3; do \
	        if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found="$$candidate"; break; fi; \
	    done; \
	    if [ -z "$$found" ]; then \
	        echo "Rollcast needs Python 3.11 or newer, and none was found: install one, or name it, as in: make setup PYTHON=/path/to/python3.11" >&2; \
	        exit 1; \
	    fi; \
	    "$$found" -m venv $(VENV) || { rm -rf $(VENV); \
	        echo "$$found cannot make a virtual environment: on Debian and Ubuntu install the package python3-venv" >&2; exit 1; }; \
	fi
	@echo "installing Rollcast and the versions it was tested with into $(VENV); the first time takes a minute or two"
	@began=$$(date +%s); \
	$(BIN)/python -m pip install --disable-pip-version-check --quiet $(PIP_ARGS) --constraint constraints.txt --editable '.[$(EXTRAS)]' && \
	echo "installed in $$(($$(date +%s) - began)) s; $(VENV) has $$(du -sm $(VENV) | cut -f1) MB"
	@touch $@

check: setup ## format, lint, types and import contracts, changing nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup ## put the code into the project's format
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

test: setup ## every test but the slow ones
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile $(TEST_ARGS)

test-all: setup ## every test, the slow and soaking ones too
	$(BIN)/python -m pytest -m "" $(TEST_ARGS)

demo: setup ## raw files to a rolling forecast, ending with a server on 127.0.0.1:8000
	$(BIN)/rollcast demo

serve: setup ## serve what has been promoted
	$(BIN)/rollcast serve

openapi: setup ## write docs/openapi.json anew, after a route or a body changed
	$(BIN)/python -m service.openapi_file

bench: setup ## print the table of every benchmark that needs no file named; takes some hours
	@set -e; for name in $(BENCHMARKS); do echo "== $$name"; $(BIN)/python -m benchmarks.$$name; done

peers: $(PEERS_STAMP) ## make .venv-peers, with the forecasters that benchmarks compare ours with

$(PEERS_STAMP): benchmarks/peers.txt | $(STAMP)
	@[ -x $(PEERS)/bin/python ] || $(BIN)/python -m venv $(PEERS)
	@echo "installing the peers into $(PEERS); it takes some minutes and 2 GB"
	@$(PEERS)/bin/python -m pip install --disable-pip-version-check --quiet $(PIP_ARGS) --requirement benchmarks/peers.txt
	@touch $@

clean: ## remove caches and build leftovers; keeps .venv, .venv-peers and .rollcast
	rm -rf build dist .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -not -path './$(PEERS)/*' -prune -exec rm -rf {} +
