"""Where a trial's configuration comes from: its number alone (grid, random, qmc), or the results so far (Optuna)."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from src.studies.options import Pruner, Sampler
from src.studies.space import Dimension, Point, Space

if TYPE_CHECKING:
    import optuna

NUMBERED = {"grid", "random", "qmc"}


class Numbered:
    """The point of trial 0, 1, 2, ...: the same for every worker and after every restart."""

    def __init__(self, sampler: Sampler, space: Space, skip: Collection[tuple[str, ...]] = ()) -> None:
        self.sampler, self.space, self.skip = sampler, space, set(skip)
        """skip: overrides of grid points that are taken elsewhere."""
        self._points: Iterator[Point] = iter(())
        self._next = -1

    def point(self, number: int) -> Point:
        """Raises IndexError beyond the end of a grid."""
        if self.sampler.name == "grid":
            return self._grid(number)
        dimensions = len(self.space.dimensions)
        if self.sampler.name == "random":
            unit = np.random.default_rng([self.sampler.seed, number]).random(dimensions)
        else:
            from scipy.stats.qmc import Sobol

            engine = Sobol(dimensions, rng=np.random.default_rng(self.sampler.seed))
            if number:
                engine.fast_forward(number)
            with warnings.catch_warnings(action="ignore"):  # of balance, which needs powers of two
                unit = engine.random(1)[0]
        return self.space.at(unit.tolist())

    def _grid(self, number: int) -> Point:
        if not 0 <= self._next <= number:
            free = (point for point in self.space.points() if tuple(self.space.overrides(point)) not in self.skip)
            self._points, self._next = free, 0
        found = next(itertools.islice(self._points, number - self._next, None), None)
        self._next = number + 1
        if found is None:
            raise IndexError(number)
        return found


def adaptive(sampler: Sampler, number: int, constrained: bool) -> optuna.samplers.BaseSampler:
    """Optuna's sampler for one trial, with a seed of its own, so that a restart does not repeat the first draws."""
    from optuna import samplers

    seed = int(np.random.SeedSequence([sampler.seed, number]).generate_state(1)[0])
    make: dict[str, Any] = {
        "tpe": samplers.TPESampler,
        "gp": samplers.GPSampler,
        "cma-es": samplers.CmaEsSampler,
        "nsga2": samplers.NSGAIISampler,
    }
    options: dict[str, Any] = {"seed": seed}
    if sampler.name == "tpe":
        options |= {"multivariate": True, "group": True, "constant_liar": True}  # the defaults of Optuna 5, of 4.9 too
        options["n_startup_trials"] = sampler.startup
    if sampler.name == "cma-es":
        options["warn_independent_sampling"] = False
    if constrained and sampler.name in {"tpe", "gp", "nsga2"}:
        options["constraints_func"] = excess
    with warnings.catch_warnings(action="ignore"):  # experimental and deprecated arguments
        return make[sampler.name](**options)


def excess(trial: optuna.trial.FrozenTrial) -> list[float]:
    """How far a trial is beyond each constraint; what Optuna's samplers ask."""
    return list(trial.user_attrs.get("excess", [0.0]))


def suggest(trial: optuna.Trial, space: Space) -> Point:
    """The point that the trial's sampler chooses, dimension by dimension."""
    point: Point = {}
    for dimension in space.dimensions:
        if dimension.active(point):
            point[dimension.name] = _suggest(trial, dimension)
    return point


def _suggest(trial: optuna.Trial, dimension: Dimension) -> Any:
    from optuna.distributions import CategoricalDistribution, IntDistribution

    found = dimension.distribution()
    if isinstance(found, CategoricalDistribution):
        return dimension.decode(trial.suggest_categorical(dimension.name, found.choices))
    if isinstance(found, IntDistribution):
        return dimension.decode(
            trial.suggest_int(dimension.name, found.low, found.high, step=found.step, log=found.log)
        )
    given: Any = found
    return dimension.decode(trial.suggest_float(dimension.name, given.low, given.high, step=given.step, log=given.log))


def make_pruner(pruner: Pruner, epochs: int) -> optuna.pruners.BasePruner:
    """asha, hyperband and median judge the epochs of the first seed; wilcoxon the seeds, compared with the best trial's."""
    from optuna import pruners

    if pruner.name == "asha":
        return pruners.SuccessiveHalvingPruner(min_resource=pruner.min_epochs, reduction_factor=pruner.factor)
    if pruner.name == "hyperband":
        return pruners.HyperbandPruner(
            min_resource=pruner.min_epochs, max_resource=epochs, reduction_factor=pruner.factor
        )
    if pruner.name == "median":
        return pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=pruner.min_epochs)
    if pruner.name == "wilcoxon":
        with warnings.catch_warnings(action="ignore"):  # experimental
            return pruners.WilcoxonPruner(p_threshold=pruner.p, n_startup_steps=2)
    return pruners.NopPruner()
