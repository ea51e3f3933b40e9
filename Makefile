# Everything a developer does, by name; plain `make` lists it. Another interpreter:
#     make test PYTHON=python3.13 VENV=/tmp/py313

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
BUILD := $(BIN)/python setup.py --quiet build_ext --inplace
FORGET_TWINS := find geventws -name '*.so' -delete -o -name '*.c' -delete

.DEFAULT_GOAL := help
.NOTPARALLEL: # the two test runs share one tree
.PHONY: help run test packages interpreted compiled check build docs html dist clean
.PHONY: conformance peers autobahn fuzz bench load soak scale faults-net

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z -]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' Makefile

run: $(STAMP) ## the chat demo on http://127.0.0.1:9000, compiled where that is possible
	@GEVENTWS_COMPILE=auto $(BUILD) >$(VENV)/build.log 2>&1 || echo "interpreted: see $(VENV)/build.log"
	$(BIN)/geventws serve --chat

test: packages interpreted compiled ## the whole suite, first interpreted, then compiled

packages:
	@tests/system_packages.sh $(PYTHON)

interpreted: $(STAMP) ## the whole suite on the interpreted twins
	@$(FORGET_TWINS)
	GEVENTWS_EXPECT=interpreted $(BIN)/python -m pytest

compiled: build ## the whole suite on the compiled twins
	GEVENTWS_EXPECT=compiled $(BIN)/python -m pytest

check: $(STAMP) ## lint, types, spelling, and 100 % branch coverage of the core
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/codespell
	@$(FORGET_TWINS)
	GEVENTWS_EXPECT=interpreted $(BIN)/python -m pytest tests/core \
		--cov=geventws.core --cov-report=term-missing --cov-fail-under=100

conformance: peers $(STAMP) ## the whole Autobahn suite on both twins, fuzzing, every peer; docs/conformance.md
	@rm -rf build/conformance
	@$(MAKE) --no-print-directory fuzz
	@$(FORGET_TWINS)
	-$(BIN)/python -m tests.conformance run
	@$(MAKE) --no-print-directory build
	-$(BIN)/python -m tests.conformance run
	-$(BIN)/python -m tests.interop --json build/conformance/matrix.json
	$(BIN)/python -m tests.conformance page

peers:
	@tests/system_packages.sh $(PYTHON) conformance

autobahn: $(STAMP) ## the quick cases of the Autobahn suite, where a Python 2.7 is there
	$(BIN)/python -m tests.conformance run --quick

SECONDS ?= 60
fuzz: $(STAMP) ## fuzz the core for a minute, or SECONDS=3600, and compare its twins
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS)

bench: $(STAMP) ## CPU per message beside every peer, two hours: docs/performance.md; QUICK=1 takes three minutes
	$(BIN)/python -m loadtests.bench $(if $(QUICK),--quick)
	$(if $(QUICK),,$(BIN)/python -m loadtests.bench --page)

load: $(STAMP) ## a distributed Locust run of 20 s against our server: build/load/report.html
	$(BIN)/python -m loadtests.load echo

soak: build ## 10,000 connections for ten minutes, faults and floods: docs/reliability.md
	$(BIN)/python -m loadtests.soak --page

scale: build ## two nodes over Redis beside python-socketio, 10^6 messages, a fleet: docs/explanation/scale.md
	$(BIN)/python -m loadtests.scale measure
	$(BIN)/python -m loadtests.scale stream --restart
	for each in kill-node pause slow; do $(BIN)/python -m loadtests.scale stream --messages 200000 --$$each || exit; done
	$(BIN)/python -m loadtests.scale stream --messages 100000
	$(BIN)/python -m loadtests.scale page

faults-net: $(STAMP) ## peers and hosts behind wires that go down; takes iproute2, redis-server, and root or user namespaces
	@if [ "$$(id -u)" = 0 ]; then run="unshare -n"; else run="unshare -Urn"; fi; \
		$$run $(BIN)/python -m tests.faults.namespaces

build: $(STAMP) ## compile the hot modules in place; after an edit, again
	@# CFLAGS takes the place of Python's own flags, optimisation included
	CFLAGS="-O3 -Wall $(CFLAGS) -Werror=sign-compare" GEVENTWS_COMPILE=yes $(BUILD)

docs html: $(STAMP) ## the documentation, into docs/_build/html; a warning is an error
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going docs docs/_build/html

dist: $(STAMP) ## sdist and wheel; the wheel is then tried in an empty venv, outside the checkout
	@rm -rf build/bdist* build/lib* dist
	GEVENTWS_COMPILE=yes $(BIN)/python -m build >$(VENV)/dist.log 2>&1 || { cat $(VENV)/dist.log >&2; exit 1; }
	$(BIN)/twine check --strict dist/*
	@place=$$(mktemp -d) && trap 'rm -rf "$$place"' EXIT && $(BIN)/python -m venv "$$place" && \
		"$$place/bin/python" -m pip --disable-pip-version-check --quiet install dist/*.whl && \
		cp tests/installed.py "$$place" && cd "$$place" && bin/python -I installed.py

clean: ## remove whatever the other targets made, except the venv
	@$(FORGET_TWINS)
	@rm -rf build dist docs/_build htmlcov *.egg-info .coverage .coverage.* .hypothesis .*_cache
	@find . -path ./.venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): setup.py requirements.txt geventws/version.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo >&2 \
		"geventws needs Python 3.11 or later; name one: make PYTHON=python3.12"; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV) || { echo >&2 \
		"$(PYTHON) cannot make a venv; on Debian: apt install python3-venv"; exit 1; }
	@echo "installing the development environment into $(VENV)"
	@GEVENTWS_COMPILE=no $(PIP) install -r requirements.txt
	@touch $@
