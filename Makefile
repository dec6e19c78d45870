# make demo    segment the shipped head scan; opens napari, or writes files where there is
#              no display
# make test    every check there is: lint, types, import contracts, tests, oracle
#
# Both work on a fresh machine that has Python 3.11 or later, git and make. Settings:
#   PYTHON=python3.12        the Python to build the environment with
#   VENV=.venv               where that environment goes
#   TORCH_ARGS="..."         more arguments for the pip that installs torch, for example
#                            the index of its CPU-only builds
#   ORACLE=0                 leave out the comparison with nnunetv2 and its environment
#   TESTS="tests/formats"    run only these tests (for make tests)
#   PROCESSES=1              how many processes share the everyday tests

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.NOTPARALLEL:

PYTHON ?= python3
VENV ?= .venv
ORACLE_VENV ?= .oracle-venv
ORACLE ?= 1
TORCH_ARGS ?=
TESTS ?=
PROCESSES ?= 2
# Tests of one file share what is expensive to make, so they stay together.
SIDE_BY_SIDE := -n $(PROCESSES) --dist loadfile
BIN := $(VENV)/bin
# On a terminal pip shows how far a download is; in a log it only says what failed.
QUIET := $(shell test -t 2 || echo -q)
PIP := $(BIN)/python -m pip install $(QUIET) --disable-pip-version-check -c constraints.txt
HAS_DISPLAY := $(DISPLAY)$(WAYLAND_DISPLAY)
export PYTHON
unexport PYTHONPATH PYTHONHOME

.PHONY: help demo test lint types contracts display tests slow oracle format clean
help:
	@sed -n '/^#/!q;s/^# \{0,1\}//p' Makefile

# ---- environments; the stamps make the second run quick ----

$(VENV)/torch.stamp: constraints.txt
	@scripts/system_packages.sh python
	@[ -x $(BIN)/pip ] || { echo "making $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "installing torch (where it comes with its CUDA parts, some gigabytes)"
	@$(PIP) $(TORCH_ARGS) torch
	@touch $@

$(VENV)/run.stamp: $(VENV)/torch.stamp pyproject.toml
	@echo "installing napari-mednext"
	@$(PIP) hatchling editables
	@$(PIP) --no-build-isolation -e '.[pyqt6]'
	@touch $@

$(VENV)/dev.stamp: $(VENV)/run.stamp
	@echo "installing the tools for the checks"
	@$(PIP) --no-build-isolation -e '.[dev]'
	@touch $@

$(ORACLE_VENV)/oracle.stamp: $(VENV)/dev.stamp scripts/oracle_environment.sh
	@echo "installing nnunetv2 into $(ORACLE_VENV)"
	@scripts/oracle_environment.sh $(VENV) $(ORACLE_VENV)
	@touch $@

# ---- the two commands ----

demo: $(VENV)/run.stamp
ifneq ($(HAS_DISPLAY),)
	@scripts/system_packages.sh window
endif
	@$(BIN)/napari-mednext demo

test: lint types contracts tests slow oracle

# ---- the parts of make test ----

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff check --preview --select DOC501 napari_mednext
	$(BIN)/ruff format --check .
	$(BIN)/npe2 validate napari.yaml

types: $(VENV)/dev.stamp
	$(BIN)/mypy

contracts: $(VENV)/dev.stamp
	$(BIN)/lint-imports

display:
ifeq ($(HAS_DISPLAY),)
	@scripts/system_packages.sh xvfb
else
	@scripts/system_packages.sh window
endif

tests: $(VENV)/dev.stamp display
	scripts/with_display.sh $(BIN)/python -m pytest $(SIDE_BY_SIDE) $(TESTS)

slow: $(VENV)/dev.stamp display
	scripts/with_display.sh $(BIN)/python -m pytest -m slow

ifeq ($(ORACLE),0)
oracle:
	@echo "ORACLE=0: the comparison with nnunetv2 was left out"
else
oracle: $(ORACLE_VENV)/oracle.stamp
	scripts/with_display.sh $(ORACLE_VENV)/bin/python -m pytest -m oracle
endif

# ---- for those who change the code ----

format: $(VENV)/dev.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(ORACLE_VENV) dist build demo-output .pytest_cache .mypy_cache \
	    .ruff_cache .hypothesis .import_linter_cache
