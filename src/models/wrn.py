"""Wide residual networks (Zagoruyko 2016)."""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from src.component import Dropout, PositiveInt
from src.models.heads import Head
from src.models.residual import Residual, conv3, stages


class WRN(Residual):
    """conv 3/16 · 3 stages of (depth - 4)/6 blocks with 16, 32, 64 · width channels · BN · ReLU (table 1, B(3,3)).

    WRN-28-10 has 36,479,194 parameters for 3 channels and 10 classes.
    """

    def __init__(
        self, *, depth: PositiveInt = 28, width: PositiveInt = 10, dropout: Dropout = 0.0, head: Head = "linear"
    ) -> None:
        super().__init__()
        if depth < 10 or (depth - 4) % 6:
            raise ValueError(f"depth={depth}: give 6 n + 4, such as 10, 16, 22, 28 or 40")
        self.depth, self.width, self.dropout, self.last = depth, width, dropout, head

    def layers(self, channels: int) -> tuple[nn.Sequential, int]:
        last = 64 * self.width
        blocks = stages(
            partial(WideBlock, self.dropout), 16, (16 * self.width, 32 * self.width, last), (self.depth - 4) // 6
        )
        return nn.Sequential(conv3(channels, 16), *blocks, nn.BatchNorm2d(last), nn.ReLU(inplace=True)), last


class WideBlock(nn.Module):
    """x + conv(dropout(relu(BN(conv(a))))) with a = relu(BN(x)); where the channels change, a 1 × 1 convolution of a for x."""

    def __init__(self, dropout: float, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.activation = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
        self.layers = nn.Sequential(
            conv3(channels, out, stride), nn.BatchNorm2d(out), nn.ReLU(inplace=True),
            nn.Dropout(dropout), conv3(out, out),
        )  # fmt: skip
        self.projection = None if channels == out else nn.Conv2d(channels, out, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        a = self.activation(x)
        y: Tensor = self.layers(a)
        return y + (x if self.projection is None else self.projection(a))
