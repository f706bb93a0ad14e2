"""The network of the label-noise study."""

from __future__ import annotations

from torch import nn

from src.component import Dropout
from src.models.convolutional import Convolutional
from src.models.heads import Head


class CNN(Convolutional):
    """conv 5/32 · pool · conv 3/64 · pool · conv 3/128 · 1024 · 1024 with dropout.

    The second convolution is padded, so that a picture of 32 × 32 leaves 128 · 5 · 5 = 3,200 features (the study's annex).
    """

    def __init__(self, *, dropout: Dropout = 0.5, head: Head = "linear") -> None:
        super().__init__()
        self.dropout, self.last = dropout, head

    def layers(self, channels: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(channels, 32, 5), nn.MaxPool2d(2), nn.ReLU(inplace=True),
            nn.Conv2d(32, 64, 3, padding=1), nn.MaxPool2d(2), nn.ReLU(inplace=True),
            nn.Conv2d(64, 128, 3), nn.ReLU(inplace=True),
        )  # fmt: skip

    def hidden(self, feature_dim: int) -> tuple[nn.Module, int]:
        layers = nn.Sequential(
            nn.Linear(feature_dim, 1024), nn.ReLU(inplace=True), nn.Dropout(self.dropout),
            nn.Linear(1024, 1024), nn.ReLU(inplace=True), nn.Dropout(self.dropout),
        )  # fmt: skip
        return layers, 1024
