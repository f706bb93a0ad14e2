"""Wrong labels that depend on what the example looks like."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from src.component import Fraction, NonNegativeFloat, NonNegativeInt
from src.errors import UserError
from src.noise_models.base import NoiseModel
from src.seeding import numpy_stream
from src.task import FloatArray, IntArray, Split

CHUNK = 4096
STEEPEST = 100
"""Largest spread, in distances of the rate from 0 or 1, for which truncnorm's mean is exact enough to solve for."""


class InstanceDependent(NoiseModel):
    """An example x of class y is mislabelled with a probability q(x), as a class that its features suggest.

    q is normal with standard deviation `spread`, cut to [0, 1], and has the mean `rate` in every class: the example has
    that quantile of it which u_y · x has among its class. The wrong class is drawn from softmax(sharpness · W_y x)
    without y. The entries of u_y (d) and of the (C, d) matrix W_y are standard normal (after Xia 2020, Part-dependent
    label noise, algorithm 2). Unlike there, q follows from x and is not drawn; `rate` is the mean after the cut, not before; x is
    scaled to length 1, which `sharpness` makes up for; and u and W depend on `pattern` alone, so that training,
    validation and every seed share one mechanism. Hidden labels stay so.
    """

    class_conditional = False

    def __init__(
        self,
        *,
        rate: Fraction = 0.4,
        spread: NonNegativeFloat = 0.1,
        pattern: NonNegativeInt = 0,
        sharpness: NonNegativeFloat = 3.0,
    ) -> None:
        room = min(rate, 1 - rate)
        if 0 < room * STEEPEST < spread:
            raise ValueError(
                f"rate={rate} with spread={spread}: so near to 0 or 1 give a spread of at most {room * STEEPEST:.3g}"
            )
        self.rate, self.spread, self.pattern, self.sharpness = rate, spread, pattern, sharpness

    def transition(self, num_classes: int) -> None:
        return None

    def corrupt(self, split: Split, num_classes: int, rng: np.random.Generator) -> IntArray:
        if split.inputs.kind == "graph":
            raise UserError(
                "noise_model=instance_dependent reads vectors and images, not graphs; use noise_model=uniform, pair or transition"
            )
        if not len(split):
            return split.labels
        size = int(np.prod(split.inputs.shape))
        observed = split.labels.copy()
        for label in np.unique(split.labels[split.labels >= 0]):
            stream = numpy_stream(self.pattern, "instance-dependent noise", int(label))
            difficulty, weights = stream.standard_normal(size), stream.standard_normal((size, num_classes))
            members = np.flatnonzero(split.labels == label)
            hard = np.concatenate([x @ difficulty for x in _directions(split, members)])
            q = self.rates(len(members))[hard.argsort(kind="stable").argsort(kind="stable")]
            wrong = members[rng.random(len(members)) < q]
            logits = np.concatenate([x @ weights for x in _directions(split, wrong)]) * self.sharpness
            logits += rng.gumbel(size=logits.shape)  # argmax of logits + Gumbel noise ~ softmax
            logits[:, label] = -np.inf
            observed[wrong] = logits.argmax(axis=1)
        return observed

    def rates(self, n: int) -> FloatArray:
        """n equally spaced quantiles of q, (n,), ascending."""
        from scipy.stats import truncnorm

        if not self.spread or self.rate in (0, 1):
            return np.full(n, self.rate)
        cut = unit_normal(truncated_centre(self.rate, self.spread), self.spread)
        return np.asarray(truncnorm.ppf((np.arange(n) + 0.5) / n, **cut))


def _directions(split: Split, positions: IntArray) -> Iterator[FloatArray]:
    """Inputs at these positions as vectors of length 1, (chunk, d)."""
    for chunk in np.array_split(positions, max(1, len(positions) // CHUNK)):
        x = split.inputs.fetch(torch.from_numpy(split.rows[chunk]), torch.device("cpu")).flatten(1).double().numpy()
        yield x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


def truncated_centre(mean: float, spread: float) -> float:
    """Where a normal distribution of this spread must be centred so that its part in [0, 1] has the mean."""
    from scipy.optimize import brentq
    from scipy.stats import truncnorm

    def excess(centre: float) -> float:
        return float(truncnorm.stats(**unit_normal(centre, spread), moments="m")) - mean

    # far outside of [0, 1] the part is nearly exponential: its mean is at most spread² / distance from the nearer end
    return float(brentq(excess, -2 * spread**2 / mean, 1 + 2 * spread**2 / (1 - mean)))


def unit_normal(centre: float, spread: float) -> dict[str, float]:
    """truncnorm's parameters of a normal distribution cut to [0, 1]."""
    return {"a": -centre / spread, "b": (1 - centre) / spread, "loc": centre, "scale": spread}
