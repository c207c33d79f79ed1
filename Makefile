# Two commands matter: `make demo` predicts the dose of the sample patient, `make test` runs all that CI runs.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
# What Slicer 5.10 has an older release of than the tests need otherwise; test_older_pydicom.py uses it.
SLICER_PACKAGES := $(VENV)/slicer-5.10

# On Linux plain torch brings several GB of CUDA. TORCH=cpu takes PyTorch's public index of CPU builds instead;
# TORCH_INDEX=URL takes any other index, a mirror for example.
ifeq ($(TORCH),cpu)
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
endif

PIP := $(PY) -m pip --disable-pip-version-check
# Its many lines are worth reading where someone watches; errors and warnings always show.
PIP_INSTALL := if [ -t 1 ]; then quiet=; else quiet=--quiet; fi; $(PIP) install $$quiet -c constraints.txt

# What drawing off the screen needs, and what Qt needs in the tests of the panel.
DRAWING_PACKAGES := libegl1 libgl1-mesa-dri libxcursor1
QT_PACKAGES := libgl1 libglib2.0-0 libxkbcommon0 libfontconfig1 libdbus-1-3

.PHONY: help venv system-packages test-packages demo test lint bench train screenshots cmake-lists clean distclean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' Makefile
	@echo "Variables: PYTHON=python3.12 (3.10 to 3.13), TORCH=cpu (no CUDA), CASE=folder of another patient for the demo"

venv: $(INSTALLED) ## make .venv with everything the demo and the tests need

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 10) <= v <= (3, 13) or sys.exit(\
	    f"Python 3.10 to 3.13 is needed, $(PYTHON) is {v[0]}.{v[1]}; name another: make PYTHON=python3.12 ...")'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
	    echo "$(PYTHON) cannot make virtual environments; on Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing into $(VENV); torch is the largest part."
	@$(PYTHON) -m venv $(VENV)
ifdef TORCH_INDEX
	@$(PIP_INSTALL) --no-deps --index-url $(TORCH_INDEX) torch
endif
	@$(PIP_INSTALL) -e '.[slicer,test,train]'
	@$(PIP) install --quiet --no-deps --target $(SLICER_PACKAGES) pydicom==2.4.4
	@touch $@

# Debian's and Ubuntu's newer releases add t64 to some names, and install those by the old name.
define INSTALL_PACKAGES
@if [ "$$(uname)" != Linux ]; then exit 0; fi; \
if ! command -v dpkg-query >/dev/null; then \
    echo "Not Debian or Ubuntu: if a library is missing below, install what they call $(1)." >&2; exit 0; \
fi; \
missing=(); \
for package in $(1); do \
    states=$$(dpkg-query -W -f '$${db:Status-Status} ' $$package $${package}t64 2>/dev/null || true); \
    [[ " $$states" == *" installed "* ]] || missing+=($$package); \
done; \
[ $${#missing[@]} -eq 0 ] && exit 0; \
if [ "$$(id -u)" -eq 0 ]; then as=(env); \
elif sudo -n true 2>/dev/null; then as=(sudo -n env); \
else echo "System packages are missing; please run: sudo apt-get install $${missing[*]}" >&2; exit 1; fi; \
install=("$${as[@]}" DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$${missing[@]}"); \
echo "Installing the system packages $${missing[*]}."; \
"$${install[@]}" >/dev/null 2>&1 || { "$${as[@]}" apt-get update && "$${install[@]}"; }
endef

system-packages: ## install the system packages of the demo, where that is allowed
	$(call INSTALL_PACKAGES,$(DRAWING_PACKAGES))

test-packages: ## install the system packages of the demo and the tests, where that is allowed
	$(call INSTALL_PACKAGES,$(DRAWING_PACKAGES) $(QT_PACKAGES))

CASE ?= $(firstword $(wildcard Resources/SampleData/*/))
# By the environment names reach the shell as they are, with blanks and quotes.
export CASE CONFIG

demo: venv system-packages ## predict the dose of the sample patient into demo-output/
	@$(PY) DosePrediction/DosePredictionScene/headless.py "$$CASE" -o demo-output

test: venv test-packages lint ## everything that CI runs
	@# A process a core, each with one thread: torch in several processes with several threads each would crawl.
	@# In the order of their names: by the number of their tests, files of few that take long would come last, and alone.
	@OMP_NUM_THREADS=1 $(PY) -m pytest -n auto --dist loadfile --no-loadscope-reorder

lint: venv ## style and types
	@$(PY) -m ruff check --output-format concise .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy

bench: venv ## seconds and memory of prediction and DVH
	@$(PY) Testing/Benchmarks/benchmark.py

train: venv ## train as CONFIG=file.json says, or go on with that run
	@[ -n "$${CONFIG:-}" ] || { echo "Say what to train: make train CONFIG=file.json" >&2; exit 2; }
	@$(PY) -m DosePredictionLib train "$$CONFIG"

screenshots: venv test-packages ## take the pictures of the README anew
	@$(PY) Testing/Module/screenshots.py

cmake-lists: venv ## write the CMake file lists anew after adding or removing files
	@$(PY) Testing/Module/cmake_lists.py --write

clean: ## remove outputs and caches
	@rm -rf demo-output build dist .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

distclean: clean ## remove .venv too
	@rm -rf $(VENV)
