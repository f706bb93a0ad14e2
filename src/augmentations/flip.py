"""Mirror images."""

from __future__ import annotations

from typing import Any

import torch

from src.augmentations.base import Augmentation
from src.component import Fraction
from src.errors import UserError


class Flip(Augmentation):
    """Mirrors each image of the batch with the given probabilities. Raises UserError for anything but images."""

    def __init__(self, *, horizontal: Fraction = 0.5, vertical: Fraction = 0.0) -> None:
        self.horizontal, self.vertical = horizontal, vertical

    def __call__(self, x: Any, generator: torch.Generator, labels: torch.Tensor | None = None) -> Any:
        if not isinstance(x, torch.Tensor) or x.ndim != 4:
            raise UserError("augmentation=flip mirrors images; this dataset has none: use augmentation=none")
        for probability, axis in ((self.horizontal, 3), (self.vertical, 2)):
            if probability:
                chosen = torch.rand(len(x), generator=generator, device=x.device) < probability
                x = torch.where(chosen[:, None, None, None], x.flip(axis), x)
        return x
