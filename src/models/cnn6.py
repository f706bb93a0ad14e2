"""The small network with which the 2020 NOvA study began: six blocks of convolution, pooling and dropout."""

from __future__ import annotations

import itertools

from torch import nn

from src.component import Dropout, PositiveFloat, PositiveInt
from src.models.convolutional import Convolutional
from src.models.heads import Head

CHANNELS = (16, 32, 64, 128, 128, 128)


class CNN6(Convolutional):
    """6 × (conv 3/c · ReLU · max pool 2 · dropout) · mean over the picture · linear `hidden`, c = width · CHANNELS.

    Views are channels of the first convolution. Every block halves the sides, so that pictures are of 64 × 64 or more; 100 × 80
    become 1 × 1. The study gives neither channels nor rates. Convolutions start as in He 2015 (normal, variance 2 over the
    fan-in) with biases of zero: with PyTorch's own the sixth block's outputs hardly depend on a nearly empty picture.
    """

    def __init__(
        self, *, width: PositiveFloat = 1.0, dropout: Dropout = 0.1, hidden: PositiveInt = 128, head: Head = "linear"
    ) -> None:
        super().__init__()
        self.width, self.dropout, self.units, self.last = width, dropout, hidden, head

    def layers(self, channels: int) -> nn.Module:
        widths = [channels, *(max(1, int(c * self.width)) for c in CHANNELS)]
        layers: list[nn.Module] = []
        for a, b in itertools.pairwise(widths):
            convolution = nn.Conv2d(a, b, 3, padding=1)
            weight, bias = convolution.parameters()
            nn.init.kaiming_normal_(weight, nonlinearity="relu")
            nn.init.zeros_(bias)
            layers += [convolution, nn.MaxPool2d(2), nn.ReLU(inplace=True), nn.Dropout(self.dropout)]
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1))

    def hidden(self, feature_dim: int) -> tuple[nn.Module, int]:
        layers = nn.Sequential(nn.Linear(feature_dim, self.units), nn.ReLU(inplace=True), nn.Dropout(self.dropout))
        return layers, self.units
