"""From a composed configuration to an experiment: one check of every part against its signature, before any data.

All errors are reported at once, each with its key, what was expected and a suggestion.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import json
import os
import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pydantic
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from src.augmentations.base import Augmentation
from src.component import Component, NonNegativeInt, OpenFraction, PositiveFloat
from src.datasets.base import Dataset
from src.errors import UserError, did_you_mean
from src.evaluation.heads import known_metric
from src.evaluation.metrics import METRICS, OBSERVED_LOSS
from src.imbalance_strategies.base import ImbalanceStrategy
from src.models.base import Model
from src.noise_models.base import NoiseModel
from src.protocols.base import Protocol
from src.rules import broken
from src.strategies.base import ParameterGroups, Strategy
from src.tracking import Tracking
from src.training import TrainerOptions

CONF = Path(__file__).resolve().parents[1] / "conf"
ALLOWED = ("src.", "torch.optim.")
TOTAL_STEPS = "total_steps"


@dataclass(frozen=True)
class MakeOptimizer:
    """An optimizer whose parameters are still to come."""

    cls: Any
    options: dict[str, Any]

    @property
    def full_batch(self) -> bool:
        """Whether a step takes all training examples at once."""
        return bool(getattr(self.cls, "full_batch", False))

    def __call__(self, parameters: ParameterGroups) -> Optimizer:
        optimizer: Optimizer = self.cls(parameters, **self.options)
        return optimizer


@dataclass(frozen=True)
class MakeSchedule:
    """A schedule whose optimizer and number of steps are still to come; without a class the learning rate stays."""

    cls: Any = None
    options: dict[str, Any] = field(default_factory=dict)

    def __call__(self, optimizer: Optimizer, total_steps: int) -> LRScheduler | None:
        if self.cls is None:
            return None
        filled = {key: total_steps if value == TOTAL_STEPS else value for key, value in self.options.items()}
        schedule: LRScheduler = self.cls(optimizer, **filled)
        return schedule


class Settings(Component):
    """The keys at the top of the configuration."""

    def __init__(
        self,
        *,
        name: str | None,
        seed: NonNegativeInt,
        score: str,
        force: bool,
        figures: bool,
        code: Literal["strict", "any"],
        test: Literal["always", "chosen"],
        natural_prior: list[PositiveFloat] | None,
        recall: OpenFraction | None,
        data_root: str,
        cache_root: str,
        runs_root: str,
    ) -> None:
        if not score.startswith("val/"):
            raise ValueError(
                f"score={score}: the score must be a validation metric (val/...); val_clean/* and test/* are sealed, "
                "so that nothing is chosen by them"
            )
        if not known_metric(score.removeprefix("val/")):
            known = [f"val/{metric}" for metric in (*METRICS, OBSERVED_LOSS)]
            raise ValueError(f"score={score}: runs do not report it{did_you_mean(score, known)}")
        if name is not None and (not name or set(name) & set("/\\\0") or name.startswith(".")):
            raise ValueError(
                f"name={name!r}: it names a folder, so it must not be empty, start with '.' or contain '/'"
            )
        self.name, self.seed, self.score, self.force, self.code = name, seed, score, force, code
        self.figures, self.test = figures, test
        self.natural_prior, self.recall = natural_prior, recall
        self.data_root, self.cache_root, self.runs_root = Path(data_root), Path(cache_root), Path(runs_root)


@dataclass(frozen=True)
class Experiment:
    """Every part of a run, constructed and checked; nothing has been read yet."""

    settings: Settings
    trainer: TrainerOptions
    tracking: Tracking
    dataset: Dataset
    model: Model
    strategy: Strategy
    imbalance_strategy: ImbalanceStrategy
    noise_model: NoiseModel
    protocol: Protocol
    augmentation: Augmentation
    optimizer: MakeOptimizer
    schedule: MakeSchedule
    config: dict[str, Any]
    """The resolved configuration, plain containers."""

    @property
    def name(self) -> str:
        parts = (self.dataset, self.model, self.strategy)
        return self.settings.name or "-".join(type(part).__module__.rpartition(".")[2] for part in parts)


def check(cfg: DictConfig) -> Experiment:
    """Construct all parts. Raises UserError with every mistake found, one a line."""
    try:
        config = plain(cfg)
    except ValueError as error:
        raise UserError(f"configuration: {error}") from None
    parts, problems = Checker().parts(config)
    if problems:
        raise UserError("\n".join(problems))
    return Experiment(**parts, config=config)


def plain(cfg: DictConfig) -> dict[str, Any]:
    """The resolved configuration. Raises ValueError for a value that is missing or refers to what is not there."""
    try:
        config: Any = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        target = str(OmegaConf.select(cfg, "optimizer._target_"))
        if error.full_key == "schedule.max_lr" and target.startswith("src.optimizers."):  # ours have no optimizer.lr
            name = target.split(".")[-2]
            raise ValueError(f"optimizer={name} takes no schedule: schedule=none") from None
        raise ValueError(f"{str(error).splitlines()[0]} (key '{error.full_key}')") from None
    return dict(config)


class Checker:
    """Checks resolved configurations; each part is constructed once, however many configurations share it."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Any, list[str]]] = {}
        self._seen: dict[int, tuple[Any, tuple[Any, list[str]]]] = {}
        """id of a section → (the section, so that its id stays its own; what is known of it)."""

    def parts(self, config: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """The parts of a configuration and every mistake in it."""
        sections = _sections()
        trainer = config.get("trainer")
        if isinstance(trainer, dict) and trainer.get("num_threads", 0) is None:
            trainer["num_threads"] = os.cpu_count() or 1
        top = {key: value for key, value in config.items() if not isinstance(value, dict) or key not in sections}
        parts: dict[str, Any] = {}
        problems: list[str] = []
        for section, node in {"settings": top, **{name: config.get(name) for name in sections}}.items():
            parts[section], found = self._once(section, node, sections)
            problems += found
        if not problems:
            problems += broken(parts)
        return parts, problems

    def _once(self, section: str, node: Any, sections: dict[str, Any]) -> tuple[Any, list[str]]:
        if id(node) not in self._seen:
            self._seen[id(node)] = node, self._checked(section, node, sections)
        return self._seen[id(node)][1]

    def _checked(self, section: str, node: Any, sections: dict[str, Any]) -> tuple[Any, list[str]]:
        key = f"{section} {json.dumps(node, sort_keys=True, default=str)}"
        if key not in self._known:
            problems: list[str] = []
            part = None
            if section == "settings":
                part = construct(Settings, "", node, problems, others=sections)
            elif node is None:
                problems.append(f"{section}: this section is missing")
            elif not isinstance(node, dict):
                problems.append(f"{section}={node}: not one of its options{_options(section, node)}")
            else:
                part = _part(section, sections[section], node, problems)
            self._known[key] = part, problems
        return self._known[key]


@functools.cache
def _sections() -> dict[str, Any]:
    hints = typing.get_type_hints(Experiment)
    return {name: hint for name, hint in hints.items() if name not in {"settings", "config"}}


def _options(section: str, wrong: object) -> str:
    return did_you_mean(str(wrong), [path.stem for path in (CONF / section).glob("*.yaml")])


def _part(section: str, base: Any, node: dict[str, Any], problems: list[str]) -> Any:
    if section in {"trainer", "tracking"}:
        return construct(base, section, node, problems)
    options = {key: value for key, value in node.items() if key != "_target_"}
    if section == "schedule" and node.get("_target_") is None:
        problems.extend(f"schedule.{key}: schedule=none has no options" for key in options)
        return MakeSchedule()
    try:
        cls = _locate(f"{section}._target_", node.get("_target_"))
    except UserError as error:
        problems.append(str(error))
        return None
    if section == "optimizer":
        return _optimizer(cls, options, problems)
    if section == "schedule":
        return _schedule(cls, options, problems)
    if not issubclass(cls, base):
        problems.append(f"{section}._target_={node['_target_']}: not a {base.__name__}")
        return None
    return construct(cls, section, options, problems)


def _locate(key: str, target: object) -> type:
    """The class a `_target_` names; only the project's and torch.optim's may be named."""
    if not isinstance(target, str) or not target.startswith(ALLOWED):
        raise UserError(f"{key}={target}: only classes of this project (src.*) and torch.optim.* may be named here")
    module, _, name = target.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        raise UserError(f"{key}={target}: there is no such class") from None
    if not isinstance(found, type):
        raise UserError(f"{key}={target}: not a class")
    return found


def construct(cls: Any, section: str, options: dict[str, Any], problems: list[str], others: Iterable[str] = ()) -> Any:
    prefix = f"{section}." if section else ""
    known = _options_of(cls)
    try:
        return cls(**options)
    except pydantic.ValidationError as error:
        owner = cls.__name__ if section else "the configuration"
        problems.extend(_sentences(error, owner, prefix, [*known, *others], options))
    except (ValueError, UserError) as error:
        problems.append(f"{section}: {error}" if section else str(error))
    return None


@functools.cache
def _options_of(cls: Any) -> list[str]:
    return list(inspect.signature(cls).parameters)


def _sentences(
    error: pydantic.ValidationError, owner: str, prefix: str, known: list[str], options: dict[str, Any]
) -> list[str]:
    """One sentence per bad argument; the alternatives of a union are joined by 'or'."""
    expected: dict[str, list[str]] = {}
    for item in error.errors(include_url=False):
        name = str(item["loc"][0])
        if item["type"] == "unexpected_keyword_argument":
            expected[f"{prefix}{name}"] = [f": {owner} has no option '{name}'{did_you_mean(name, known)}"]
        elif item["type"] == "extra_forbidden":
            inside = str(item["loc"][-1])
            hint = did_you_mean(inside, [key for key in options[name] if key != inside])
            expected[f"{prefix}{name}.{inside}"] = [f": {prefix}{name} has no option '{inside}'{hint}"]
        elif item["type"].startswith("missing"):
            expected[f"{prefix}{name}"] = [": missing"]
        else:
            path = "".join(f"[{step}]" for step in item["loc"][1:] if isinstance(step, int))
            if isinstance(options.get(name), dict):
                path = "".join(f".{step}" for step in item["loc"][1:])
            message = (
                item["msg"]
                .replace("Input should be", "should be")
                .replace("a valid integer", "an integer")
                .replace("a valid ", "a ")
            )
            expected.setdefault(f"{prefix}{name}{path}={item['input']}", []).append(message)
    sentences = []
    for key, messages in expected.items():
        unique = list(dict.fromkeys(messages))
        sentences.append(key + (unique[0] if unique[0].startswith(":") else ": " + ", or ".join(unique)))
    return sentences


def _optimizer(cls: Any, options: dict[str, Any], problems: list[str]) -> MakeOptimizer | None:
    if cls.__name__ == "LBFGS" and cls.__module__.startswith("torch."):
        problems.append(
            "optimizer: torch's LBFGS is not driven here; optimizer=lbfgs is SciPy's, with L2 and L1 penalties"
        )
        return None

    def try_out() -> object:
        return _standing_in(cls)([_dummy()], **options)

    ok = _tried("optimizer", cls, options, problems, try_out)
    if "lr" in options and getattr(cls, "full_batch", False):
        problems[-1] += "; a linear model brings optimizer=lbfgs along: add optimizer=adam (or sgd) for a learning rate"
    return MakeOptimizer(cls, options) if ok else None


def _schedule(cls: Any, options: dict[str, Any], problems: list[str]) -> MakeSchedule | None:
    import torch

    make = MakeSchedule(cls, options)

    def try_out() -> object:
        return make(_standing_in(torch.optim.SGD)([_dummy()], lr=0.1), 100)

    return make if _tried("schedule", cls, options, problems, try_out) else None


@functools.cache
def _standing_in(cls: type[Optimizer]) -> Any:
    """The optimizer with a plain add_param_group: torch's own imports TorchDynamo, which takes a second."""

    def add_param_group(self: Optimizer, group: dict[str, Any]) -> None:
        self.param_groups.append({**self.defaults, **group})

    return type(cls.__name__, (cls,), {"add_param_group": add_param_group})


def _dummy() -> nn.Parameter:
    import torch

    return nn.Parameter(torch.zeros(1))


def _tried(section: str, cls: Any, options: dict[str, Any], problems: list[str], make: Callable[[], object]) -> bool:
    """Whether the options fit a torch class: their names, and their values on a stand-in parameter."""
    known = [name for name in _options_of(cls) if name not in {"params", "optimizer"}]
    unknown = [key for key in options if key not in known]
    problems.extend(
        f"{section}.{key}: {cls.__name__} has no option '{key}'{did_you_mean(key, known)}" for key in unknown
    )
    if unknown:
        return False
    try:
        make()
    except (ValueError, TypeError) as error:
        given = ", ".join(f"{key}={value}" for key, value in options.items())
        problems.append(f"{section}: {cls.__name__} does not take {given}: {error}")
        return False
    return True
