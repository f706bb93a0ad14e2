"""What becomes of event weights: numbers for the metrics, factors in the loss, or odds of being kept at all."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from src.errors import UserError
from src.task import BoolArray, Split

Weighting = Literal["metrics", "loss", "accept", "accept_published"]
"""metrics: weights count in the evaluation; loss: in the training, too; accept: an event is kept with a probability of
its weight over the largest, and counts 1 then; accept_published: as the NOvA study did, if its weight is above a uniform
random number between 1 and 10, which is not proportional to the weight."""


def weighted(split: Split, weighs: BoolArray, weighting: Weighting, rng: np.random.Generator) -> tuple[Split, str]:
    """The split under its weights, and what a person should know of it ('' if nothing).

    Only the events of the mask `weighs`, those of one generator, have weights; all others count 1 and are kept. Weights that
    count are relative: their mean is 1, so that they make no generator count more than another. Raises UserError if all of
    them are 0.
    """
    weight = np.where(weighs, split.weight, 1.0)
    if weighs.any() and not weight[weighs].max() > 0:
        raise UserError("dataset.weights: all weights are 0")
    if weighting in {"metrics", "loss"}:
        weight[weighs] /= weight[weighs].mean() if weighs.any() else 1.0
        return replace(split, weight=weight, weigh_loss=weighting == "loss"), ""
    keep = ~weighs
    keep[weighs] = accepted(weight[weighs], weighting, rng)
    note = f"dataset.weighting={weighting}: {keep[weighs].sum()} of {weighs.sum()} events with weights kept"
    return replace(split.select(keep), weight=np.ones(int(keep.sum()))), note


def accepted(weight: np.ndarray, weighting: Weighting, rng: np.random.Generator) -> BoolArray:
    """Which events are kept, (n,)."""
    draw = rng.random(len(weight))
    if weighting == "accept_published":
        return np.asarray(weight > 1 + 9 * draw)
    return np.asarray(draw < weight / weight.max(initial=0))
