"""A sampler and a loss together."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
import yaml
from torch import Tensor

from src.errors import did_you_mean
from src.imbalance_strategies.base import ImbalanceStrategy
from src.task import FloatArray, IntArray, Split

CONF = Path(__file__).resolve().parents[2] / "conf" / "imbalance_strategy"


class Combined(ImbalanceStrategy):
    """`sampler` says which examples are seen, `loss` how they count; both are options of this group.

    What `sampler_options` and `loss_options` leave out has its default. Each takes the class counts of the data (and of
    new examples), not those that the other leaves. Two that change the class mix which the loss sees are a double
    correction, refused unless `double_correction` asks for it.
    """

    def __init__(
        self,
        *,
        sampler: str = "oversample",
        loss: str = "focal",
        sampler_options: dict[str, Any] | None = None,
        loss_options: dict[str, Any] | None = None,
        double_correction: bool = False,
    ) -> None:
        self.sampler = named("sampler", sampler, sampler_options or {})
        self.loss = named("loss", loss, loss_options or {})
        if self.sampler.balances and self.loss.balances and not double_correction:
            raise ValueError(
                f"sampler={sampler} and loss={loss} both change the class mix that the loss sees, a double correction; "
                "use one of them, or say double_correction=true"
            )
        for part in (self.sampler, self.loss):
            for name in (name for name, value in vars(ImbalanceStrategy).items() if isinstance(value, bool)):
                setattr(self, name, getattr(self, name) or getattr(part, name))

    def setup(self, labels: IntArray, num_classes: int) -> None:
        super().setup(labels, num_classes)
        self.sampler.setup(labels, num_classes)
        self.loss.setup(labels, num_classes)

    def extend(self, train: Split, rng: np.random.Generator) -> Split:
        return self.sampler.extend(train, rng)

    def meet(self, train: Split, batch_size: int) -> None:
        self.sampler.meet(train, batch_size)
        self.loss.meet(train, batch_size)

    def at(self, progress: float) -> None:
        self.sampler.at(progress)
        self.loss.at(progress)

    def order(self, rng: np.random.Generator) -> IntArray:
        return self.sampler.order(rng)

    def criterion(self, log_probs: Tensor, y: Tensor) -> Tensor:
        return self.loss.criterion(log_probs, y)

    def drawn_prior(self) -> FloatArray:
        return self.sampler.drawn_prior()

    def effective_prior(self) -> FloatArray:
        natural = self.loss.drawn_prior()
        factor = self.loss.effective_prior() / np.where(natural > 0, natural, 1)
        return self.drawn_prior() * factor

    def score_offset(self) -> FloatArray | None:
        return self.loss.score_offset()

    def state_dict(self) -> dict[str, Any]:
        return {"sampler": self.sampler.state_dict(), "loss": self.loss.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.sampler.load_state_dict(state["sampler"])
        self.loss.load_state_dict(state["loss"])


def named(role: str, name: str, given: dict[str, Any]) -> ImbalanceStrategy:
    """The option of this group, its own options as its YAML has them unless given.

    Raises ValueError if it does not fit the role, or an option does not fit it.
    """
    hooks = {"sampler": ("order", "extend"), "loss": ("criterion", "score_offset")}[role]
    known = {path.stem for path in CONF.glob("*.yaml")} - {"combined"}
    if name not in known:
        raise ValueError(f"{role}={name}: not an option that it combines{did_you_mean(name, known)}")
    options = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    module, _, cls = options.pop("_target_").rpartition(".")
    for key in given.keys() - options.keys():
        raise ValueError(f"{role}_options.{key}: {role}={name} has no option '{key}'{did_you_mean(key, options)}")
    try:
        part: ImbalanceStrategy = getattr(importlib.import_module(module), cls)(**{**options, **given})
    except pydantic.ValidationError as error:
        wrong = error.errors(include_url=False)[0]
        raise ValueError(f"{role}_options.{wrong['loc'][0]}={wrong['input']}: {wrong['msg']}") from None
    if all(getattr(type(part), hook) is getattr(ImbalanceStrategy, hook) for hook in hooks):
        does = {"sampler": "draws all examples alike", "loss": "leaves the loss alone"}[role]
        raise ValueError(f"{role}={name}: it {does}; give another option of this group")
    return part
