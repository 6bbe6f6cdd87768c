# Afflux: everything a fresh machine needs is Python 3.11+, git and make.

PYTHON ?= python3
VENV   := $(CURDIR)/.venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
E2E    := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/afflux/e2e/1.36.3/bin

CLUSTER := embedded
STEPS  := 10000

.PHONY: help demo test check format bench bench-real e2e-check e2e-binaries test-e2e apply-sequences clean

help: ## What can be made
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | sort

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Afflux needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) -V 2>&1). Try: make PYTHON=/path/to/python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "python3 -m venv failed; on Debian: apt-get install python3-venv"; exit 1; }
	@echo "installing into .venv ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(READY) $(if $(filter real,$(CLUSTER)),e2e-binaries) ## The walk-through, verified step by step (CLUSTER=real: on a kube-apiserver)
	@$(BIN)/python examples/01-walkthrough/demo.py --cluster $(CLUSTER)

test: $(READY) ## All tests, on the embedded control plane
	@$(BIN)/python -m pytest -q $(PYTEST_ARGS)

check: $(READY) ## Linters, types and the rows of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache >$(VENV)/lint-imports.log 2>&1 || { cat $(VENV)/lint-imports.log; exit 1; }

format: $(READY) ## Rewrite the sources in the house's format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(READY) ## Benchmarks, side by side where there is something to compare with
	@for name in commit_to_applied controlplane kustomize one_change failing_neighbours chain idle "delivery --servers embedded"; do \
	  echo "== bench/$$name"; $(BIN)/python bench/$$(echo "$$name" | sed 's/^[a-z_]*/&.py/') || exit 1; done

bench-real: $(READY) e2e-binaries ## The controllers' benchmarks on a real kube-apiserver, beside its limit (about an hour)
	@for name in "delivery --servers real" "one_change --server real" "failing_neighbours --server real" "chain --server real" "idle --server real"; do \
	  echo "== bench/$$name"; $(BIN)/python bench/$$(echo "$$name" | sed 's/^[a-z_]*/&.py/') || exit 1; done

e2e-check:
	@e2e/build --check $(E2E)

e2e-binaries: ## etcd, kube-apiserver and kube-controller-manager from their modules (needs Go 1.26+)
	@e2e/build $(E2E)

test-e2e: $(READY) e2e-binaries ## Every test that talks to a cluster, on a real kube-apiserver
	@$(BIN)/python -m pytest -q --cluster real $(PYTEST_ARGS)

apply-sequences: $(READY) e2e-binaries ## STEPS=10000 random writes to the embedded plane and a real one: differences (SEED=n repeats)
	@$(BIN)/python tests/conformance/apply_sequences.py --steps $(STEPS) $(if $(SEED),--seed $(SEED))

clean: ## Remove what make made
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
