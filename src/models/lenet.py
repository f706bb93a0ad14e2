"""LeNet with rectifiers: convolutions, each pooled, then hidden layers."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Annotated

from annotated_types import MinLen
from torch import nn

from src.component import PositiveFloat, PositiveInt
from src.models.convolutional import Convolutional
from src.models.heads import Head
from src.task import Task


class LeNet(Convolutional):
    """conv 5/32 · pool · conv 5/64 · pool · `depth` × linear 128 (after LeCun 1998, figure 2).

    `channels` has one entry a convolution; each halves the sides, so n of them take pictures from 2ⁿ × 2ⁿ on. [16, 32, 64] are
    those of learning to reweight's published code, which draws all weights from a normal distribution with `init_std` .1, truncated
    at two of them, and begins with biases of zero.
    """

    def __init__(
        self, *, channels: Annotated[Sequence[PositiveInt], MinLen(1)] = (32, 64), depth: PositiveInt = 1,
        head: Head = "linear", init_std: PositiveFloat | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.channels, self.depth, self.last, self.init_std = channels, depth, head, init_std

    def setup(self, task: Task) -> None:
        super().setup(task)
        if self.init_std is not None:
            for name, p in self.named_parameters():
                if name.endswith("bias"):
                    nn.init.zeros_(p)
                else:
                    nn.init.trunc_normal_(p, std=self.init_std, a=-2 * self.init_std, b=2 * self.init_std)

    def layers(self, channels: int) -> nn.Module:
        widths = [channels, *self.channels]
        layers: list[nn.Module] = []
        for a, b in itertools.pairwise(widths):
            layers += [nn.Conv2d(a, b, 5, padding=2), nn.MaxPool2d(2), nn.ReLU(inplace=True)]
        return nn.Sequential(*layers)

    def hidden(self, feature_dim: int) -> tuple[nn.Module, int]:
        widths = [feature_dim, *[128] * self.depth]
        layers = [layer for a, b in itertools.pairwise(widths) for layer in (nn.Linear(a, b), nn.ReLU(inplace=True))]
        return nn.Sequential(*layers), 128
