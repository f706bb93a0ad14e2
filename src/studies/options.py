"""The options of a study, as conf/hydra/sweeper/optuna.yaml lists them."""

from __future__ import annotations

import operator
import re
from pathlib import Path
from typing import Any, Literal

from src.component import Component, NonNegativeInt, OpenFraction, PositiveFloat, PositiveInt
from src.errors import UserError, did_you_mean
from src.evaluation.heads import known_metric
from src.evaluation.metrics import METRICS, OBSERVED_LOSS, higher_is_better
from src.evaluation.physics import CUT_METRICS
from src.provenance import mask

Baseline = bool | dict[str, Any] | list[dict[str, Any]]
Direction = Literal["maximize", "minimize"]
CONSTRAINT = re.compile(r"\s*(\S+)\s*(<=|>=)\s*(\S+)\s*")
GAP = "val.gap/roc_auc"
"""Where validation has labelled examples of two domains."""
STORAGES = re.compile(r"sqlite|journal|postgresql(\+\w+)?://.+")


class Sampler(Component):
    """Which configurations: `grid` and `random` and `qmc` depend on a trial's number only, the others on results."""

    def __init__(
        self,
        *,
        name: Literal["grid", "random", "qmc", "tpe", "gp", "cma-es", "nsga2"] = "grid",
        seed: NonNegativeInt = 0,
        startup: PositiveInt = 10,
    ) -> None:
        self.name, self.seed, self.startup = name, seed, startup


class Pruner(Component):
    """Which configurations are given up early."""

    def __init__(
        self,
        *,
        name: Literal["none", "asha", "hyperband", "median", "wilcoxon"] = "none",
        min_epochs: PositiveInt = 1,
        factor: PositiveInt = 3,
        p: OpenFraction = 0.1,
    ) -> None:
        if factor < 2:
            raise ValueError(f"factor={factor}: one in so many survives; give 2 or more")
        self.name, self.min_epochs, self.factor, self.p = name, min_epochs, factor, p


class Budget(Component):
    """What a study may spend."""

    def __init__(self, *, trials: PositiveInt | None = None, hours: PositiveFloat | None = None) -> None:
        self.trials, self.hours = trials, hours


class Constraint:
    """`metric <= bound` or `metric >= bound`, on the aggregate of the seeds."""

    def __init__(self, written: str) -> None:
        match = CONSTRAINT.fullmatch(written)
        try:
            self.metric, self.sign, self.bound = match[1], match[2], float(match[3])  # type: ignore[index]
        except (TypeError, ValueError):
            raise ValueError(f"constraints: {written!r}: write e.g. 'val/ece <= 0.1'") from None
        self.written = written.strip()

    def holds(self, value: float) -> bool:
        return bool((operator.le if self.sign == "<=" else operator.ge)(value, self.bound))

    def excess(self, value: float) -> float:
        """How far beyond the bound; at most 0 if the constraint holds."""
        return value - self.bound if self.sign == "<=" else self.bound - value


class Options(Component):
    """Checked together; raises ValueError for what contradicts itself."""

    def __init__(
        self,
        *,
        study: str | None = None,
        studies_root: str = "studies",
        space: dict[Any, Any],
        seeds: list[NonNegativeInt] | PositiveInt | None = None,
        baseline: Baseline = False,
        objectives: dict[str, Direction],
        constraints: list[str],
        claims: list[dict[str, Any]] | None = None,
        oracle: bool = False,
        aggregate: Literal["mean", "median", "iqm"] = "mean",
        sampler: dict[str, Any],
        pruner: dict[str, Any],
        budget: dict[str, Any],
        retries: NonNegativeInt = 1,
        halve_batch: bool = False,
        workers: PositiveInt | None = None,
        workers_per_gpu: PositiveInt = 1,
        storage: str = "sqlite",
        winners: NonNegativeInt = 1,
        plan: bool = False,
        adopt: bool = False,
    ) -> None:
        if study is not None and (not study or set(study) & set("/\\\0") or study.startswith(".")):
            raise ValueError(f"study={study!r}: it names a folder, so it must not be empty, start with '.' or hold '/'")
        seeds = list(range(seeds)) if isinstance(seeds, int) else seeds
        if seeds is not None and (not seeds or len(set(seeds)) < len(seeds)):
            raise ValueError(f"seeds={seeds}: give each seed once")
        if not STORAGES.fullmatch(storage):
            raise ValueError(f"storage={mask(storage)}: give sqlite, journal or postgresql://user@host/database")
        self.study, self.studies_root, self.space, self.seeds = study, Path(studies_root), space, seeds
        self.baseline, self.objectives, self.aggregate = baseline, objectives, aggregate
        self.constraints = [Constraint(written) for written in constraints]
        self.oracle, self.retries, self.halve_batch = oracle, retries, halve_batch
        self.sampler, self.pruner, self.budget = Sampler(**sampler), Pruner(**pruner), Budget(**budget)
        self.workers, self.workers_per_gpu, self.storage = workers, workers_per_gpu, storage
        for claim in claims or ():
            if set(claim) != {"claim", "metric", "better", "than"}:
                raise ValueError(f"claims: {claim}: give claim, metric, better and than")
        self.claims = claims or []
        self.winners, self.plan, self.adopt = winners, plan, adopt
        if self.pruner.name != "none" and len(objectives) > 1:
            raise ValueError(
                f"pruner={self.pruner.name}: Optuna cannot prune a study of several objectives; set pruner.name=none"
            )
        if self.sampler.name == "cma-es" and len(objectives) > 1:
            raise ValueError("sampler=cma-es has one objective only; nsga2 and tpe take several")


def judged_by(options: Options, score: str) -> dict[str, Direction]:
    """Objective → direction. Raises UserError for a metric that no run reports, or that only an oracle may choose by."""
    objectives = options.objectives or {score: "maximize" if higher_is_better(score) else "minimize"}
    problems = [_problem(name, options.oracle) for name in [*objectives, *(c.metric for c in options.constraints)]]
    if any(problems):
        raise UserError("\n".join(problem for problem in problems if problem))
    return dict(objectives)


def epochwise(name: str) -> bool:
    """Whether every epoch reports the metric: those of validation, but for the ones that need a chosen cut."""
    return name.startswith("val/") and known_metric(name.removeprefix("val/"))


def _problem(name: str, oracle: bool) -> str | None:
    split, _, metric = name.rpartition("/")
    split, _, head = split.partition("/") if "/" in split else (split, "", "")
    measured = split.split(".")[0] in {"val", "val_clean", "val_natural", "test", "test_natural"}
    reported = {"roc_auc", "a_distance"} if split.endswith(".gap") else {*METRICS, *CUT_METRICS}
    reported |= {OBSERVED_LOSS} if split == "val" else set()
    exists = known_metric(f"{head}/{metric}") if head else metric.partition(".")[0] in reported
    if name != "cost/parameters" and not (measured and exists):
        known = [*(f"val/{known}" for known in (*METRICS, OBSERVED_LOSS, *CUT_METRICS)), GAP, "cost/parameters"]
        return f"objective {name}: runs do not report it{did_you_mean(name, known)} (runs report: {', '.join(known)})"
    if split not in {"val", "val.gap", "cost"} and not oracle:
        return (
            f"objective {name}: it is sealed until the choice is made, so that nothing is chosen by it; "
            "choose by val/..., or set oracle=true, which every table will say"
        )
    return None
