"""How far apart two domains lie in what a trained network makes of them; no label is read."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from src.evaluation.a_distance import FOLDS, a_distance
from src.inference import embeddings
from src.seeding import numpy_stream
from src.strategies.base import Predictor, Strategy
from src.task import Split


def distances(predictor: Predictor, parts: Mapping[str, Split], device: torch.device, seed: int) -> dict[str, float]:
    """`<part>.gap/a_distance` of the strategy's embedding, and the 95 % interval of each over the probe's folds (.low, .high).

    Nothing where it predicts no classes or scores by more than logits, or a part does not hold FOLDS examples of each of
    two domains.
    """
    found: dict[str, float] = {}
    if predictor.strategy.predicts != "class" or type(predictor.strategy).scores is not Strategy.scores:
        return found
    for name, part in parts.items():
        present, counts = np.unique(part.domain, return_counts=True)
        if len(present) == 2 and counts.min() >= FOLDS:
            seen = embeddings(predictor, part.inputs, part.rows, device)
            said = a_distance(seen, part.domain, numpy_stream(seed, f"probe/{name}"))
            metric = f"{name}.gap/a_distance"
            found |= {metric: said["mean"], f"{metric}.low": said["low"], f"{metric}.high": said["high"]}
    return found
