"""Wrong labels that depend on what the example looks like."""

from __future__ import annotations

import numpy as np
import torch

from src.component import Fraction, NonNegativeFloat, NonNegativeInt
from src.errors import UserError
from src.noise_models.base import NoiseModel
from src.seeding import numpy_stream
from src.task import FloatArray, IntArray, Split

CHUNK = 4096


class InstanceDependent(NoiseModel):
    """An example x of class y is mislabelled with its own probability q, as a class that its features suggest.

    q ~ N(rate, spread²), cut to [0, 1]; the wrong class is drawn from softmax(W_y x) without y, where the entries of
    the (C, d) matrix W_y are standard normal and x is scaled to length 1 (after Xia 2020, algorithm 2). W depends on
    `pattern` alone, so that training, validation and every seed share one mechanism.
    """

    def __init__(
        self,
        *,
        rate: Fraction = 0.4,
        spread: NonNegativeFloat = 0.1,
        pattern: NonNegativeInt = 0,
        sharpness: NonNegativeFloat = 3.0,
    ) -> None:
        self.rate, self.spread, self.pattern, self.sharpness = rate, spread, pattern, sharpness

    def transition(self, num_classes: int) -> None:
        return None

    def corrupt(self, split: Split, num_classes: int, rng: np.random.Generator) -> IntArray:
        if split.inputs.kind == "graph":
            raise UserError("noise_model=instance_dependent reads vectors and images, not graphs")
        if not len(split):
            return split.labels
        size = int(np.prod(split.inputs.shape))
        weights = numpy_stream(self.pattern, "instance-dependent noise").standard_normal(
            (num_classes, size, num_classes)
        )
        flips = rng.random(len(split)) < self._rates(len(split), rng)
        observed = split.labels.copy()
        for positions in np.array_split(np.flatnonzero(flips), max(1, int(flips.sum()) // CHUNK)):
            x = (
                split.inputs.fetch(torch.from_numpy(split.rows[positions]), torch.device("cpu"))
                .flatten(1)
                .double()
                .numpy()
            )
            x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
            true = split.labels[positions]
            for label in np.unique(true):
                members = true == label
                logits = self.sharpness * x[members] @ weights[label]
                logits += rng.gumbel(size=logits.shape)  # argmax of logits + Gumbel noise ~ softmax
                logits[:, label] = -np.inf
                observed[positions[members]] = logits.argmax(axis=1)
        return observed

    def _rates(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Each example's probability of a wrong label: normal, redrawn until it lies in [0, 1]."""
        rates = rng.normal(self.rate, self.spread, n)
        while (outside := (rates < 0) | (rates > 1)).any():
            rates[outside] = rng.normal(self.rate, self.spread, int(outside.sum()))
        return rates
