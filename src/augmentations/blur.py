"""Blurred images, of all classes or of some."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Annotated, Any

import torch
from annotated_types import Len
from torch import Tensor
from torch.nn import functional as F

from src.augmentations.base import Augmentation
from src.component import NonNegativeFloat
from src.errors import UserError, did_you_mean

REACH = 3
"""Standard deviations after which the bell curve is cut off."""


class Blur(Augmentation):
    """Convolves each image with a Gaussian of a random width, uniform in the range `sigma`; edges are mirrored.

    With `classes`, only images whose observed label is one of them; those whose label is hidden stay as they are. A network can
    then tell the class by its blur, so give a range that begins near 0. Raises UserError for anything but images of floats.
    """

    def __init__(
        self,
        *,
        sigma: Annotated[Sequence[NonNegativeFloat], Len(2, 2)] = (0.1, 2.0),
        classes: list[str] | None = None,
    ) -> None:
        if sigma[0] > sigma[1]:
            raise ValueError(f"sigma={list(sigma)}: give the smaller one first")
        self.sigma, self.classes = sigma, classes
        self.chosen: list[int] = []

    def setup(self, class_names: tuple[str, ...]) -> None:
        for name in self.classes or ():
            if name not in class_names:
                raise UserError(f"augmentation.classes: no class is called '{name}'{did_you_mean(name, class_names)}")
        self.chosen = [class_names.index(name) for name in self.classes or ()]

    def __call__(self, x: Any, generator: torch.Generator, labels: Tensor | None = None) -> Any:
        if not isinstance(x, Tensor) or x.ndim != 4 or not x.is_floating_point():
            raise UserError("augmentation=blur blurs images; this dataset has none: use augmentation=none")
        low, high = self.sigma
        sigma = low + (high - low) * torch.rand(len(x), generator=generator, device=x.device)
        if self.classes is not None:
            assert labels is not None
            sigma = sigma * torch.isin(labels, torch.tensor(self.chosen, device=x.device))
        return blurred(x, sigma, ceil(REACH * high))


def blurred(images: Tensor, sigma: Tensor, radius: int) -> Tensor:
    """Each image (B, C, H, W) convolved with a Gaussian of its sigma (B,), cut off at `radius` pixels."""
    distance = torch.arange(-radius, radius + 1, device=images.device)
    weights = (-0.5 * (distance / sigma.clamp_min(1e-3)[:, None]) ** 2).exp()
    weights = weights / weights.sum(dim=1, keepdim=True)
    return _along_rows(_along_rows(images, weights).mT, weights).mT.contiguous()


def _along_rows(images: Tensor, weights: Tensor) -> Tensor:
    """Every row convolved with its image's weights (B, 2 radius + 1), as a product with a matrix; mirrored at the ends."""
    width, radius = images.shape[3], weights.shape[1] // 2
    period = max(1, 2 * width - 2)
    offset = torch.arange(-radius, radius + 1, device=images.device)
    place = (torch.arange(width, device=images.device) + offset[:, None]) % period  # (2 radius + 1, W)
    source = F.one_hot(torch.minimum(place, period - place) if width > 1 else place, width).to(images.dtype)
    matrix = (weights @ source.flatten(1)).view(-1, 1, width, width)
    return images @ matrix.mT
