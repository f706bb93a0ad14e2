"""What strategies share that give every training example its own weight: the record of who got how much."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from src.models.base import Model
from src.strategies.base import Criterion, Strategy
from src.task import Batch, BoolArray, Split, Task, class_counts


class Weighting(Strategy):
    """Adds up how often each training example was seen and the weight it got; both are part of the state."""

    weighs = True
    seen: Tensor
    given: Tensor

    def setup(self, task: Task, model: Model, criterion: Criterion) -> None:
        super().setup(task, model, criterion)
        size = sum(task.class_counts) + task.synthetic
        self.register_buffer("seen", torch.zeros(size))
        self.register_buffer("given", torch.zeros(size))

    def record(self, batch: Batch, weight: Tensor) -> None:
        """Weights (B,) of a batch's examples."""
        self.seen.index_add_(0, batch.index, torch.ones_like(weight, dtype=self.seen.dtype))
        self.given.index_add_(0, batch.index, weight.detach().to(self.given.dtype))

    def facts(self, train: Split, folder: Path) -> dict[str, float]:
        """Shares of the weight that wrong labels and the rarest true class got, beside their shares of the draws.

        Up to the selected epoch; synthetic examples, of which neither is known, are left out.
        """
        real = ~train.keys.get("is_synthetic", np.zeros(len(train), dtype=bool))
        counts = class_counts(train.clean[real], int(train.clean.max()) + 1)
        rarest = int(np.where(counts > 0, counts, len(train) + 1).argmin())
        groups = {"mislabelled": train.labels != train.clean, "minority": train.clean == rarest}
        return {
            f"weights/{name}{ending}": _share(amounts.cpu().numpy()[real], group[real])
            for name, group in groups.items()
            for ending, amounts in (("", self.given), ("_drawn", self.seen))
        }


def _share(amounts: npt.NDArray[np.float32], group: BoolArray) -> float:
    total = float(amounts.sum())
    return float(amounts[group].sum()) / total if total else 0.0


def proportional(u: Tensor) -> Tensor:
    """Weights max(u, 0), scaled to sum to 1; all zero if no u is positive (Ren 2018, equation 9)."""
    positive = u.clamp_min(0)
    total = positive.sum()
    return positive / torch.where(total > 0, total, 1)
