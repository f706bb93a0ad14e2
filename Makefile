.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow check format bench ui clean-runs
PYTHON ?= python3
BIN := .venv/bin
RUNS ?= runs
export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := true

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/ready ## make .venv with pinned versions; does nothing when it is up to date

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Kilter needs Python 3.11 or newer; try make PYTHON=python3.12")'
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	$(BIN)/python -m compileall -q .venv || true
	touch $@

demo: setup ## domain-adversarial MobileNet on NOvA event files, figures in MLflow (about 2 minutes)
	$(BIN)/python -m src.run dataset=nova model=mobilenet strategy=dann

test: setup ## the fast tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto

test-slow: setup ## the tests that train for longer
	$(BIN)/python -m pytest -m slow

check: setup ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup ## rewrite the code in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup ## speed and memory, each ratio beside its limit
	$(BIN)/python -m tests.bench

ui: setup ## MLflow in the browser, http://127.0.0.1:5000
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false $(BIN)/mlflow ui --host 127.0.0.1 --workers 1 --backend-store-uri sqlite:///$(abspath $(RUNS))/mlflow.db

clean-runs: setup ## what would be deleted of unfinished runs; YES=1 deletes it
	$(BIN)/python -m src.runs clean runs_root=$(RUNS) $(if $(YES),--yes)
