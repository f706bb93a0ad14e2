"""What becomes of event weights: numbers for the metrics, factors in the loss, or odds of being kept at all."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from src.task import BoolArray, Split

Weighting = Literal["metrics", "loss", "accept", "accept_published"]
"""metrics: weights count in the evaluation; loss: in the training, too; accept: an event is kept with a probability of
its weight over its domain's largest, and counts 1 then; accept_published: as the NOvA study did, if its weight is above a
uniform random number between 1 and 10 (the first domain's events always), which is not proportional to the weight."""


def weighted(split: Split, weighting: Weighting, rng: np.random.Generator) -> tuple[Split, str]:
    """The split under its weights, and what a person should know of it ('' if nothing)."""
    if weighting in {"metrics", "loss"}:
        return replace(split, weigh_loss=weighting == "loss"), ""
    keep = accepted(split, weighting, rng)
    shares = [f"{keep[split.domain == d].mean():.3f}" for d in np.unique(split.domain)]
    note = f"dataset.weighting={weighting}: {keep.sum()} of {len(keep)} events kept (by domain: {', '.join(shares)})"
    return replace(split.select(keep), weight=np.ones(int(keep.sum()))), note


def accepted(split: Split, weighting: Weighting, rng: np.random.Generator) -> BoolArray:
    """Which events are kept, (n,)."""
    draw = rng.random(len(split))
    if weighting == "accept_published":
        return (split.weight > 1 + 9 * draw) | (split.domain == 0)
    largest = np.ones(2)
    for domain in np.unique(split.domain):
        largest[domain] = split.weight[split.domain == domain].max()
    return draw < split.weight / largest[split.domain]
