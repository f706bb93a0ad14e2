"""LeNet with rectifiers: two convolutions, two hidden layers."""

from __future__ import annotations

from torch import nn

from src.models.convolutional import Convolutional


class LeNet(Convolutional):
    """conv 5/32 · pool · conv 5/64 · pool · linear 128 (after LeCun 1998, figure 2); pictures from 5 × 5 on."""

    def __init__(self) -> None:
        super().__init__()

    def layers(self, channels: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(channels, 32, 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        )  # fmt: skip

    def hidden(self, feature_dim: int) -> tuple[nn.Module, int]:
        return nn.Sequential(nn.Linear(feature_dim, 128), nn.ReLU(inplace=True)), 128
