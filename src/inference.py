"""Many examples in batches: their probabilities, what the network makes of them on the way there, or themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from src.evaluation.heads import HeadOutput
from src.loading import ahead
from src.models.base import Model
from src.models.side import SideScores
from src.strategies.base import Predictor
from src.task import Inputs, IntArray

BATCH = 512
GRAPHS = 32
"""Graphs hold a thousand hits each."""


@dataclass(frozen=True)
class Said:
    """What a predictor says of n examples."""

    probabilities: npt.NDArray[np.float32]
    """(n, C)."""
    heads: dict[str, HeadOutput]
    """What the model's other heads say; of hits batch by batch, in each plane after plane; none if it has none."""


@torch.inference_mode()
def said(predictor: Predictor, inputs: Inputs, rows: IntArray, device: torch.device, batch_size: int = BATCH) -> Said:
    """Of the given rows of the inputs, in their order, in one pass; the predictor is left in evaluation mode."""
    predictor.eval()
    parts, beside = [], []
    for x in _batches(inputs, rows, device, batch_size):
        parts.append(predictor.scores(x).float().cpu())
        beside.append(predictor.model.side_scores(x))
    return Said(torch.cat(parts).numpy(), {head: _joined([each[head] for each in beside]) for head in beside[0]})


def _joined(parts: list[SideScores]) -> HeadOutput:
    scores = torch.cat([part.scores.float().cpu() for part in parts]).numpy()
    truth = torch.cat([part.truth.cpu() for part in parts]).numpy()
    return HeadOutput(parts[0].kind, scores, truth, parts[0].names)


@torch.inference_mode()
def probabilities(
    predictor: Predictor, inputs: Inputs, rows: IntArray, device: torch.device, batch_size: int = BATCH
) -> npt.NDArray[np.float32]:
    """(n, C) for the given rows of the inputs, in their order; the predictor is left in evaluation mode."""
    predictor.eval()
    parts = [predictor.scores(x).float().cpu() for x in _batches(inputs, rows, device, batch_size)]
    return torch.cat(parts).numpy()


@torch.inference_mode()
def embeddings(
    predictor: Predictor, inputs: Inputs, rows: IntArray, device: torch.device, batch_size: int = BATCH
) -> npt.NDArray[np.float32]:
    """What the strategy compares domains in, (n, width), rows and mode as above."""
    predictor.eval()
    strategy, model = predictor.strategy, predictor.model
    parts = [strategy.embedding(model, x).float().cpu() for x in _batches(inputs, rows, device, batch_size)]
    return torch.cat(parts).numpy()


@dataclass(frozen=True)
class Activations:
    """What a network makes of n examples, float32."""

    features: npt.NDArray[np.float32]
    """(n, feature_dim)."""
    penultimate: npt.NDArray[np.float32]
    """(n, width): what the last layer sees; the features again if it sees those."""
    probabilities: npt.NDArray[np.float32]
    """(n, C): the softmax of its logits, without what a strategy makes of them."""


@torch.inference_mode()
def activations(
    model: Model, inputs: Inputs, rows: IntArray, device: torch.device, batch_size: int = BATCH
) -> Activations:
    """Of the given rows of the inputs, in their order, in one pass; the model is left in evaluation mode."""
    model.eval()
    parts: list[list[npt.NDArray[np.float32]]] = []
    for x in _batches(inputs, rows, device, batch_size):
        features = model.features(x)
        penultimate = model.penultimate(features)
        p = model.head(penultimate).float().softmax(dim=1)
        parts.append([each.float().cpu().numpy() for each in (features, penultimate, p)])
    return Activations(*(np.concatenate(pieces) for pieces in zip(*parts, strict=True)))


def _batches(inputs: Inputs, rows: IntArray, device: torch.device, batch_size: int) -> Iterator[Any]:
    """The rows as the model sees them, read ahead where that pays."""
    batch_size = min(batch_size, GRAPHS) if inputs.kind == "graph" else batch_size
    fetched = (inputs.fetch(piece, device) for piece in torch.from_numpy(rows).split(batch_size))
    return ahead(fetched) if inputs.streams else fetched


def vectors(inputs: Inputs, rows: IntArray, batch_size: int = BATCH) -> npt.NDArray[np.float32]:
    """The given rows of the inputs as the model sees them, flattened and all in memory, (n, d)."""
    cpu = torch.device("cpu")
    pieces = [inputs.fetch(piece, cpu).flatten(1) for piece in torch.from_numpy(rows).split(batch_size)]
    return torch.cat(pieces).float().numpy()
