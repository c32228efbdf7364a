# Every target does its own set-up: a machine with make and Python 3.11 or newer needs nothing else.
#
#   make test     run the tests                make demo     an agent learns from three hospitals on three Ray nodes
#   make check    ruff, mypy, import-linter    make bench    measure (ARGS=--json for a program to read)
#   make clean    remove all that these made   make chaos    faults by chance, for long: simulated, and on real nodes
#   make docs     the documentation as a site, in build/site: it needs no network and no server
#   make notebooks   run the notebooks from top to bottom, and write them with what they show
#
# Another interpreter:                       make test PYTHON=/path/to/python3.13
# and without losing the usual environment:  make test PYTHON=/path/to/python3.13 VENV=.venv-3.13

SHELL = /bin/sh
.DEFAULT_GOAL := help

# A python3.X on the path may be a version manager's stub for a version that is not active: believe only what runs.
MODERN := import sys; sys.exit(sys.version_info < (3, 11))
ifndef PYTHON
PYTHON := $(shell for python in python3.11 python3.12 python3.13 python3 python; do \
	if $$python -c '$(MODERN)' >/dev/null 2>&1; then command -v $$python; break; fi; done)
endif
MINOR := import sys; print("%d.%d" % sys.version_info[:2])
VERSION := $(if $(PYTHON),$(shell "$(PYTHON)" -c '$(MINOR)' 2>/dev/null))

# The extras that the targets need. JupyterLab, to open the notebooks with, is not among them: installing it for every run
# of the tests would only keep a fresh machine waiting.
EXTRA ?= test,demo,federated,plot,docs
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed-$(VERSION)
FLOWER := $(VENV)/flower/installed-$(VERSION)

.PHONY: help test check demo bench chaos docs notebooks clean

help:
	@sed -n '3,10s/^# \{0,1\}//p' Makefile

test: $(INSTALLED)
	$(BIN)/python -m pytest -n 2 $(ARGS)

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

demo: $(INSTALLED)
	$(BIN)/python -m agents.demo $(ARGS)

bench: $(INSTALLED) $(FLOWER)
	$(BIN)/python -m benchmarks.execution_state $(ARGS)
	$(BIN)/python -m benchmarks.bundle $(ARGS)
	$(BIN)/python -m benchmarks.hop $(ARGS)
	$(BIN)/python -m benchmarks.paradigms $(ARGS)
	$(BIN)/python -m benchmarks.federated $(ARGS)

chaos: $(INSTALLED)
	$(BIN)/python -m agents.testing --histories 30000
	HYPOTHESIS_PROFILE=thorough $(BIN)/python -m pytest tests/agents/testing/test_rules.py tests/mobility/test_generated.py
	$(BIN)/python -m tests.chaos $(ARGS)

docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --clean $(ARGS)

notebooks: $(INSTALLED)
	$(BIN)/python notebooks/execute.py $(ARGS)

clean:
	rm -rf $(VENV) build dist *.egg-info .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache \
		.pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Built anew when its interpreter is of another version than $(PYTHON), brought up to date when the list of packages
# has changed. The mark is written last, so that an installation that broke off is taken up again. The other Pythons
# that are found get an environment with sojourn alone below it: what moves between versions is tried in them.
$(INSTALLED): pyproject.toml constraints.txt
	@"$(PYTHON)" -c '$(MODERN)' 2>/dev/null || { \
		echo "No Python 3.11 or newer$(if $(PYTHON), at $(PYTHON)). Name one: make test PYTHON=/path/to/python3" >&2; \
		exit 1; }
	@[ "$$($(BIN)/python -c '$(MINOR)' 2>/dev/null)" = "$(VERSION)" ] || rm -rf $(VENV)
	@echo "setting up $(VENV): Python $(VERSION), sojourn[$(EXTRA)], versions of constraints.txt"
	@if command -v uv >/dev/null 2>&1; then \
		{ [ -d $(VENV) ] || uv venv --quiet --seed --python "$(PYTHON)" $(VENV); } && \
		uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[$(EXTRA)]'; \
	else \
		{ [ -d $(VENV) ] || "$(PYTHON)" -m venv $(VENV) || { rm -rf $(VENV); exit 1; }; } && \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(EXTRA)]'; \
	fi
	@$(BIN)/python -m mobility.testing.companions $(VENV)/companions -- -c constraints.txt -e . numpy
	@touch $@

# Flower's own engine pins another Ray than ours, so it has an environment of its own; only measuring needs it.
$(FLOWER): constraints-flower.txt $(INSTALLED)
	@echo "setting up $(VENV)/flower: Flower's own engine, versions of constraints-flower.txt"
	@$(BIN)/python -m venv --clear $(VENV)/flower
	@$(VENV)/flower/bin/python -m pip install --quiet --disable-pip-version-check -c constraints-flower.txt \
		'flwr[simulation]' scikit-learn
	@touch $@
