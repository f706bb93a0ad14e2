"""LeNet with rectifiers: convolutions, each pooled, then hidden layers."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Annotated

from annotated_types import MinLen
from torch import nn

from src.component import PositiveInt
from src.models.convolutional import Convolutional
from src.models.heads import Head


class LeNet(Convolutional):
    """conv 5/32 · pool · conv 5/64 · pool · `depth` × linear 128 (after LeCun 1998, figure 2).

    `channels` has one entry a convolution; each halves the sides, so n of them take pictures from 2ⁿ × 2ⁿ on. [16, 32, 64] are
    those of learning to reweight's published code.
    """

    def __init__(
        self, *, channels: Annotated[Sequence[PositiveInt], MinLen(1)] = (32, 64), depth: PositiveInt = 1,
        head: Head = "linear",
    ) -> None:  # fmt: skip
        super().__init__()
        self.channels, self.depth, self.last = channels, depth, head

    def layers(self, channels: int) -> nn.Module:
        widths = [channels, *self.channels]
        layers: list[nn.Module] = []
        for a, b in itertools.pairwise(widths):
            layers += [nn.Conv2d(a, b, 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
        return nn.Sequential(*layers)

    def hidden(self, feature_dim: int) -> tuple[nn.Module, int]:
        widths = [feature_dim, *[128] * self.depth]
        layers = [layer for a, b in itertools.pairwise(widths) for layer in (nn.Linear(a, b), nn.ReLU(inplace=True))]
        return nn.Sequential(*layers), 128
