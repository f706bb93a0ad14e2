"""LeNet with rectifiers: two convolutions, two hidden layers."""

from __future__ import annotations

import itertools

from torch import nn

from src.component import PositiveInt
from src.models.convolutional import Convolutional
from src.models.heads import Head


class LeNet(Convolutional):
    """conv 5/32 · pool · conv 5/64 · pool · `depth` × linear 128 (after LeCun 1998, figure 2); pictures from 5 × 5 on."""

    def __init__(self, *, depth: PositiveInt = 1, head: Head = "linear") -> None:
        super().__init__()
        self.depth, self.last = depth, head

    def layers(self, channels: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(channels, 32, 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        )  # fmt: skip

    def hidden(self, feature_dim: int) -> tuple[nn.Module, int]:
        widths = [feature_dim, *[128] * self.depth]
        layers = [layer for a, b in itertools.pairwise(widths) for layer in (nn.Linear(a, b), nn.ReLU(inplace=True))]
        return nn.Sequential(*layers), 128
