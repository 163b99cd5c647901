# Two commands set everything up: `make demo` runs the main job, `make test` passes the tests.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export WORKBENCH_HOME ?= $(CURDIR)/.home
export MLFLOW_DISABLE_TELEMETRY := true
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test lab bench nautilus check format clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

demo: $(VENV)/.ready ## run the main job, headless, on real quotes (under 5 minutes after set-up)
	@$(BIN)/workbench demo

test: $(VENV)/.lab ## run every check and test; says what each stage is and how long it took
	@$(BIN)/python tests/stages.py

lab: $(VENV)/.lab ## open the workbench: JupyterLab, gateway, supervisor, scheduler, Voila, MLflow
	@$(BIN)/workbench up

bench: $(VENV)/.ready .venv-bench/.ready ## measure against the peers (ids: make bench IDS="P1 P7")
	@$(BIN)/workbench bench $(IDS)

nautilus: $(VENV)/.ready .venv-nautilus/.ready ## compare the engine with NautilusTrader, in an environment of its own
	@$(BIN)/pytest -q -m nautilus tests/engine/nautilus

check: $(VENV)/.ready ## only the quick checks: format, lint, types, import contract
	@$(BIN)/python tests/stages.py --quick

format: $(VENV)/.ready ## put the code into its format
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

clean: ## remove the virtual environment, builds and the demo's home
	rm -rf $(VENV) .venv-nautilus .venv-bench .home build dist workbench/labextension extensions/*/lib extensions/*/node_modules

$(VENV)/.packages: requirements.lock
	@echo "== setting up $(VENV) from requirements.lock (a few minutes the first time)"
	@$(PYTHON) -c 'import sys; v = sys.version_info; assert (3, 11) <= v < (3, 14), f"needs Python 3.11 to 3.13, found {sys.version.split()[0]}; try make PYTHON=python3.11"'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --upgrade "pip>=24"
	@$(BIN)/python -m pip install -qq --requirement requirements.lock
	@touch $@

$(VENV)/.ready: $(VENV)/.packages pyproject.toml
	@WORKBENCH_SKIP_LAB=1 $(BIN)/python -m pip install -qq --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m workbench.kernel.install
	@touch $@

# NautilusTrader needs pandas 2, which the workbench does not: it can not share an environment with it
.venv-nautilus/.ready: tests/engine/nautilus/requirements.txt
	@echo "== setting up .venv-nautilus (a minute the first time)"
	@$(PYTHON) -m venv .venv-nautilus
	@.venv-nautilus/bin/python -m pip install -qq --requirement $<
	@touch $@

# peers that the workbench itself does not need; its own packages are seen through a .pth file
.venv-bench/.ready: benchmarks/requirements.txt $(VENV)/.packages
	@echo "== setting up .venv-bench (a minute the first time)"
	@$(BIN)/python -m venv .venv-bench
	@$(BIN)/python -c 'import site, pathlib; own = site.getsitepackages()[0]; [(folder / "workbench.pth").write_text(own + "\n") for folder in pathlib.Path(".venv-bench/lib").glob("python*/site-packages")]'
	@.venv-bench/bin/python -m pip install -qq --no-deps --requirement $<
	@touch $@

# the JupyterLab extension is built anew only when its sources changed
$(VENV)/.lab: $(VENV)/.ready $(shell find extensions -path '*/node_modules' -prune -o -path '*/lib' -prune -o -type f -print 2>/dev/null)
	@echo "== building the JupyterLab extension (a few minutes the first time)"
	@$(BIN)/python extensions/build_lab.py --link
	@touch $@
