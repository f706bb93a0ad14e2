"""Many examples in batches: their probabilities, or themselves."""

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


def vectors(inputs: Inputs, rows: IntArray, batch_size: int = BATCH) -> npt.NDArray[np.float32]:
    """The given rows of the inputs as the model sees them, flattened and all in memory, (n, d)."""
    cpu = torch.device("cpu")
    pieces = [inputs.fetch(piece, cpu).flatten(1) for piece in torch.from_numpy(rows).split(batch_size)]
    return torch.cat(pieces).float().numpy()
