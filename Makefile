.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow test-kill check format bench ui clean-runs sweep plan status report reproduce reproduce-sweeps reproduce-label-noise reproduce-reweight reproduce-emulsion reproduce-nova reproduce-nugraph
PYTHON ?= python3
BIN := .venv/bin
RUNS ?= runs
STUDIES ?= studies
PLACES = runs_root=$(RUNS) hydra.sweeper.studies_root=$(STUDIES)
export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := true

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

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

KILL = tests/studies/test_deaths.py tests/studies/test_clusters.py

test-slow: setup ## the tests that train for longer
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow -n auto --dist worksteal $(KILL:%=--ignore %)

test-kill: setup ## the slow tests that kill and requeue processes, one by one
	$(BIN)/python -m pytest -m slow $(KILL)

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

sweep: setup ## NAME=dann_scale: run or go on with a study of sweeps/ (ARGS="key=value ...")
	$(BIN)/python -m src.run --config-dir sweeps -cn $(NAME) $(PLACES) $(ARGS)

plan: setup ## NAME=dann_scale: what the study would run and how long it should take; runs nothing
	$(BIN)/python -m src.run --config-dir sweeps -cn $(NAME) $(PLACES) hydra.sweeper.plan=true $(ARGS)

status: setup ## how the studies stand (NAME=... : one of them)
	$(BIN)/python -m src.status $(NAME) studies_root=$(STUDIES)

report: setup ## NAME=dann_scale: tables and figures of a study
	$(BIN)/python -m src.report $(NAME) studies_root=$(STUDIES)

reproduce: setup ## every reproduce-* target, then one page of all claims (QUICK=1: reduced, SMOKE=1: a minute each)
	set -e; for target in $$(grep -oE '^reproduce-[a-z-]+' Makefile); do $(MAKE) $$target; done
	$(BIN)/python -m src.claims studies_root=$(STUDIES)

QUICK_dann_scale = dataset.events=2000 trainer.epochs=6 strategy.scale=0.1,0.5,1 hydra.sweeper.seeds=[0,1,2]
QUICK_class_weights = hydra.sweeper.budget.trials=8 hydra.sweeper.seeds=[0,1,2]
QUICK_compare_strategies = strategy=erm imbalance_strategy=none,class_weights noise_model.rate=0.0,0.4 hydra.sweeper.seeds=[0,1,2]

reproduce-sweeps: setup ## the first three sweeps and their reports
	set -e; for name in $(if $(SMOKE),class_weights,class_weights compare_strategies dann_scale); do \
	  $(MAKE) sweep NAME=$$name ARGS="$(if $(SMOKE),$(QUICK_class_weights) trainer.epochs=5,$(if $(QUICK),$$(sed -n "s/^QUICK_$$name = //p" Makefile))) $(ARGS)"; \
	  $(MAKE) report NAME=$$name; \
	done

reproduce-label-noise: setup ## Tables 1-3 of the label-noise study (ARGS=data_root=...; QUICK=1: reduced, SMOKE=1: on digits)
	$(BIN)/python -m src.reproduce.label_noise level=$(if $(SMOKE),smoke,$(if $(QUICK),quick,full)) \
	  runs_root=$(RUNS) studies_root=$(STUDIES) $(ARGS)

reproduce-reweight: setup ## learning to reweight's tables and figures (ARGS=data_root=... or level=study; QUICK=1: reduced, SMOKE=1: on digits)
	$(BIN)/python -m src.reproduce.reweight level=$(if $(SMOKE),smoke,$(if $(QUICK),quick,full)) \
	  runs_root=$(RUNS) studies_root=$(STUDIES) $(ARGS)

reproduce-emulsion: setup ## the alpha-decay study's tables and figures (ARGS=data_root=... or level=study; QUICK=1: reduced, SMOKE=1: tiny)
	$(BIN)/python -m src.reproduce.emulsion level=$(if $(SMOKE),smoke,$(if $(QUICK),quick,full)) \
	  runs_root=$(RUNS) studies_root=$(STUDIES) $(ARGS)

reproduce-nova: setup ## the NOvA robustness study's figures and claims (ARGS=data_root=... or level=study; QUICK=1: reduced, SMOKE=1: tiny)
	$(BIN)/python -m src.reproduce.nova level=$(if $(SMOKE),smoke,$(if $(QUICK),quick,full)) \
	  runs_root=$(RUNS) studies_root=$(STUDIES) $(ARGS)

reproduce-nugraph: setup ## the tau-neutrino study's figures and ablation (ARGS=data_root=... or level=study; QUICK=1: reduced, SMOKE=1: tiny)
	$(BIN)/python -m src.reproduce.nugraph level=$(if $(SMOKE),smoke,$(if $(QUICK),quick,full)) \
	  runs_root=$(RUNS) studies_root=$(STUDIES) $(ARGS)

clean-runs: setup ## what would be deleted of unfinished runs; YES=1 deletes it
	$(BIN)/python -m src.runs clean runs_root=$(RUNS) $(if $(YES),--yes)
