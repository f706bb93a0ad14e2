"""Probabilities for many examples, in batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from src.loading import ahead
from src.strategies.base import Predictor
from src.task import Inputs, IntArray

BATCH = 512


@torch.inference_mode()
def probabilities(
    predictor: Predictor, inputs: Inputs, rows: IntArray, device: torch.device, batch_size: int = BATCH
) -> npt.NDArray[np.float32]:
    """(n, C) for the given rows of the inputs, in their order; the predictor is left in evaluation mode."""
    predictor.eval()
    positions = torch.from_numpy(rows).split(batch_size)

    def fetched() -> Iterator[Any]:
        for piece in positions:
            yield inputs.fetch(piece, device)

    batches = ahead(fetched()) if inputs.streams else fetched()
    parts = [predictor.scores(x).float().cpu() for x in batches]
    return torch.cat(parts).numpy()
