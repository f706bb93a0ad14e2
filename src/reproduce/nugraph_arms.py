"""What the trainings of the tau-neutrino study's sweeps change, and how they are called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

TAU = "cc_nutau"
LOSS, OPTIONS, DEPTH = "imbalance_strategy.loss", "imbalance_strategy.loss_options", "model.encoder_depth"
SAMPLER, REPEATS = "imbalance_strategy.sampler_options", "imbalance_strategy.factors"
NEW, STEPS = "dataset.extra_tau", "trainer.max_steps"
LOSSES = {
    "recall": "recall loss",
    "class_weights": "weighted",
    "focal": "focal",
    "logit_adjustment": "logit adjustment",
}
CROSS_ENTROPY = "{gamma:0.0}"
"""The focal loss that is none."""
SOURCES = PLAIN, REPEATED, NEWLY_DRAWN = "tau events as they are", "each seven times", "seven times as many"


@dataclass(frozen=True)
class Arm:
    """A training of the ablation."""

    loss: str
    depth: int = 1
    repeated: bool = False

    @property
    def name(self) -> str:
        return ", ".join([self.loss, *["deep"] * (self.depth > 1), *["repeats"] * self.repeated])

    @classmethod
    def of(cls, choices: Mapping[str, str]) -> Arm:
        loss = "cross-entropy" if choices[OPTIONS] == CROSS_ENTROPY else LOSSES[choices[LOSS]]
        return cls(loss, int(choices.get(DEPTH, 1)), "factors" in choices.get(SAMPLER, ""))


ORIGINAL, WEIGHTED = Arm("recall loss"), Arm("weighted")
FACTORS: dict[str, Callable[[Arm], Arm]] = {
    "weighted loss": lambda arm: replace(arm, loss=WEIGHTED.loss),
    "deep encoder": lambda arm: replace(arm, depth=2),
    "repeats": lambda arm: replace(arm, repeated=True),
}
"""What each of the study's three modifications makes of an arm."""


def place(arm: Arm) -> tuple[bool, bool, str, bool, int]:
    """The order of the tables: the original first, then the rest of the 2×2×2."""
    return arm.loss != ORIGINAL.loss, arm.loss != WEIGHTED.loss, arm.loss, arm.repeated, arm.depth


def training(choices: Mapping[str, str]) -> tuple[str, int]:
    """(original | modified, steps)."""
    return "original" if choices[LOSS] == "recall" else "modified", int(choices[STEPS])


def source(choices: Mapping[str, str]) -> str:
    """Where the tau events come from."""
    if int(choices[NEW]):
        return NEWLY_DRAWN
    return PLAIN if choices[REPEATS] == "null" else REPEATED
