"""Shifted and mirrored images."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

from src.augmentations.base import Augmentation
from src.augmentations.flip import Flip
from src.component import Fraction, NonNegativeInt
from src.errors import UserError


class Crop(Augmentation):
    """Pads each image (B, C, H, W) of the batch with zeros, cuts H × W out at random, and mirrors it with a probability.

    What ResNet's authors did to CIFAR (He 2016, section 4.2), and nearly all since. Raises UserError for anything but images.
    """

    def __init__(self, *, pad: NonNegativeInt = 4, horizontal: Fraction = 0.5) -> None:
        self.pad, self.flip = pad, Flip(horizontal=horizontal)

    def __call__(self, x: Any, generator: torch.Generator, labels: torch.Tensor | None = None) -> Any:
        if not isinstance(x, torch.Tensor) or x.ndim != 4:
            raise UserError("augmentation=crop shifts images; this dataset has none: use augmentation=none")
        b, _, *sides = x.shape
        rows, columns = (
            torch.randint(2 * self.pad + 1, (b, 1), generator=generator, device=x.device)
            + torch.arange(side, device=x.device)
            for side in sides
        )
        example = torch.arange(b, device=x.device)[:, None, None]
        last = F.pad(x, [self.pad] * 4).permute(0, 2, 3, 1)
        cropped = last[example, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
        channels_last = x.is_contiguous(memory_format=torch.channels_last)
        return self.flip(cropped if channels_last else cropped.contiguous(), generator)
