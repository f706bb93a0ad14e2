"""What a study asks, read from its file and the command line: the space, the seeds, the objectives, the baseline."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from src import provenance
from src.config import construct, plain
from src.errors import UserError
from src.studies import space
from src.studies.options import Baseline, Budget, Direction, Options, Pruner, Sampler, epochwise, judged_by
from src.studies.samplers import NUMBERED
from src.studies.space import Space
from src.studies.study import describe

SINGLE_THREADED = "++trainer.num_threads=1"


@dataclass(frozen=True)
class Question:
    """A study's question, understood; nothing has been checked against the data yet."""

    options: Options
    space: Space
    fixed: list[str]
    """Overrides that every configuration shares."""
    base: DictConfig
    """The configuration that they give."""
    groups: frozenset[str]
    """Config groups that are varied."""
    seeds: list[int]
    objectives: dict[str, Direction]
    first: list[dict[str, Any]]
    """Trials that come before the sampler's: the baseline, and what else is to be there whatever is sampled."""

    @property
    def size(self) -> int:
        """Points of the grid that are not among the first."""
        return self.space.size() - sum(1 for entry in self.first if entry["params"])

    @property
    def trials(self) -> int:
        """How many configurations there are in all."""
        limit = self.options.budget.trials
        if self.options.sampler.name != "grid":
            return limit or 0
        everything = self.size + len(self.first)
        return min(everything, limit or everything)

    @property
    def name(self) -> str:
        if self.options.study is not None:
            return self.options.study
        text = json.dumps([self.identity(), self.seeds], sort_keys=True, default=str)
        return f"multirun-{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    def identity(self) -> dict[str, Any]:
        """What must stay the same from one command to the next, as flat keys."""
        options = self.options
        resolved: Any
        try:
            resolved = plain(self.base)
        except ValueError:  # a value refers to what only a varied group brings along
            resolved = OmegaConf.to_container(self.base, resolve=False)
        config = {
            f"config.{key}": value
            for key, value in provenance.identity(resolved, "", provenance.code_hash(self.base.code)).items()
            if key not in {"seed", "(data)", *self.space.keys} and key.split(".")[0] not in self.groups
        }
        pruner = {"pruner": "none"} if options.pruner.name == "none" else {"pruner": vars(options.pruner)}
        return {
            **{f"space.{dimension.name}": dimension.described() for dimension in self.space.dimensions},
            **config, **pruner, "objectives": self.objectives, "aggregate": options.aggregate,
            "constraints": [constraint.written for constraint in options.constraints],
            "sampler": vars(options.sampler), "baseline": [entry["overrides"] for entry in self.first],
            "optuna": _optuna_version() if options.sampler.name not in NUMBERED else "any",
        }  # fmt: skip

    def facts(self) -> dict[str, Any]:
        """What else the manifest says."""
        options, base = self.options, self.base
        return {
            "objectives": self.objectives, "oracle": options.oracle, "aggregate": options.aggregate,
            "claims": options.claims, "sampler": options.sampler.name, "sampler_seed": options.sampler.seed,
            "sampler_startup": options.sampler.startup, "pruner": options.pruner.name,
            "epochs": base.trainer.epochs, "code": provenance.code_hash(base.code),
            "runs_root": str(Path(base.runs_root).absolute()), "machine": provenance.machine(),
            "tracking": {**base.tracking, "uri": base.tracking.uri and provenance.mask(base.tracking.uri)},
            "command": provenance.mask(" ".join(["python", *sys.orig_argv[1:]])),
        }  # fmt: skip


def understand(given: Mapping[str, Any], arguments: Sequence[str], composer: Any) -> Question:
    """Raises UserError with every mistake that can be seen without the data."""
    problems: list[str] = []
    for part, cls in (("sampler", Sampler), ("pruner", Pruner), ("budget", Budget)):
        construct(cls, f"hydra.sweeper.{part}", dict(given.get(part) or {}), problems)
    if problems:
        raise UserError("\n".join(problems))
    options = construct(Options, "hydra.sweeper", {key: v for key, v in given.items() if key != "params"}, problems)
    if problems:
        raise UserError("\n".join(problems))
    try:
        varied, fixed, seeds = _command_line(options, composer.parse(list(arguments)))
        found = space.read(varied, composer.parse)
        base, choices = composer.compose(fixed)
        if base.trainer.num_threads is None:
            fixed = [*fixed, SINGLE_THREADED]
            base.trainer.num_threads = 1
        first = _first(options.baseline, found, fixed, composer)
    except ValueError as error:
        raise UserError(str(error)) from None
    groups = frozenset(key for key in found.keys if key in choices)
    question = Question(
        options, found, fixed, base, groups, seeds or [int(base.seed)], judged_by(options, base.score), first
    )
    _contradictions(question)
    return question


def _command_line(options: Options, overrides: list[Any]) -> tuple[dict[str, Any], list[str], list[int] | None]:
    """(what varies, what is fixed, the seeds): the command line is stronger than the file."""
    varied, fixed, seeds = dict(options.space), [], options.seeds
    for override in overrides:
        key = override.key_or_group
        value = override.input_line.partition("=")[2]
        if key == "seed" and not override.is_delete():
            seeds = (
                [int(seed) for seed in override.sweep_iterator()]
                if override.is_sweep_override()
                else [override.value()]
            )
            continue
        own, depends = key in _own_keys(varied), _depends(varied, key)
        if depends or (own and override.is_sweep_override()):
            varied = _with(varied, key, value)
        elif override.is_sweep_override():
            varied = {**_with(varied, key, None), key: value}
        else:
            varied = _with(varied, key, None)
            fixed.append(override.input_line)
    return varied, fixed, seeds


def _depends(varied: Mapping[str, Any], key: str) -> bool:
    """Whether the key varies under a condition alone, which it needs: some options of its group, which varies, lack it."""
    return key in _keys(varied) - _own_keys(varied) and key.partition(".")[0] in _own_keys(varied)


def _keys(varied: Mapping[str, Any]) -> set[str]:
    inside = [_keys(given) for given in varied.values() if isinstance(given, Mapping)]
    return _own_keys(varied).union(*inside)


def _own_keys(varied: Mapping[str, Any]) -> set[str]:
    """Those that vary without a condition."""
    return {part.strip() for name in varied for part in str(name).split(",")}


def _with(varied: Mapping[str, Any], key: str, value: str | None) -> dict[str, Any]:
    """The space with other values for a key, under the condition it had; None: without it and all that depends on it."""
    found: dict[str, Any] = {}
    for name, given in varied.items():
        parts = [part.strip() for part in str(name).split(",")]
        if isinstance(given, Mapping):
            inside = _with(given, key, value)
            if inside and not (value is None and str(name).partition("=")[0].strip() == key):
                found[name] = inside
        elif key not in parts:
            found[name] = given
        elif len(parts) > 1:
            raise UserError(f"{key}: it is zipped with {name}; vary or fix them together, in the study's file")
        elif value is not None:
            found[name] = value
    return found


def _first(baseline: Baseline, found: Space, fixed: list[str], composer: Any) -> list[dict[str, Any]]:
    if isinstance(baseline, bool):
        several: list[dict[str, Any]] = [{}] if baseline else []
    else:
        several = baseline if isinstance(baseline, list) else [baseline]
    if not several or not found.dimensions:
        return []
    first = [_at(changes, found, fixed, composer) for changes in several]
    if len({tuple(entry["overrides"]) for entry in first}) < len(first):
        raise UserError("hydra.sweeper.baseline: two of its configurations are the same")
    first[0]["baseline"] = True
    return first


def _at(changes: Mapping[str, Any], found: Space, fixed: list[str], composer: Any) -> dict[str, Any]:
    """The content of trial.json for the defaults with these changes, which may lie outside the space."""
    overrides = [f"{key}={space.text(value)}" for key, value in changes.items()]
    config, choices = composer.compose([*fixed, *overrides])

    def value_of(key: str) -> Any:
        value = choices.get(key, OmegaConf.select(config, key))
        return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value

    point = found.nearest(value_of)
    described = describe(found, 0, point or {})
    if point is None:
        described |= {"overrides": overrides, "label": " ".join(overrides) or "defaults"}
    return described


def _contradictions(question: Question) -> None:
    options, problems = question.options, []
    if not question.space.dimensions and len(question.seeds) < 2:
        problems.append(
            "space: nothing varies, and there is one seed; give a space in the study's file, e.g. strategy=erm,dann or seed=0,1,2 on the "
            "command line, or hydra.mode=RUN for a single run"
        )
    ends = [dimension.name for dimension in question.space.dimensions if not dimension.values]
    if options.sampler.name == "grid" and ends:
        problems.append(
            f"sampler=grid cannot list all of {', '.join(ends)}; give values or range(...), or another sampler"
        )
    if options.sampler.name != "grid" and options.budget.trials is None:
        problems.append(f"sampler={options.sampler.name}: say how many configurations, hydra.sweeper.budget.trials=...")
    watched = next(iter(question.objectives))
    sealed = [name for name in question.objectives if name.startswith("test")]
    if sealed and question.base.test == "chosen":
        problems.append(f"objective {sealed[0]}: with test=chosen no run reports it before the choice; set test=always")
    if options.pruner.name in {"asha", "hyperband", "median"} and not epochwise(watched):
        problems.append(
            f"pruner={options.pruner.name} needs an objective that every epoch reports (val/...); {watched} is not"
        )
    few = next(n for n in range(2, 60) if 2.0 ** (1 - n) < options.pruner.p)
    if options.pruner.name == "wilcoxon" and len(question.seeds) < few:
        problems.append(
            f"pruner=wilcoxon compares seeds, and of {len(question.seeds)} none can be saved at p={options.pruner.p}: "
            f"give at least {few}, e.g. hydra.sweeper.seeds={[*range(few)]}"
        )
    if problems:
        raise UserError("\n".join(problems))


def _optuna_version() -> str:
    from importlib.metadata import version

    return version("optuna").partition(".")[0]
