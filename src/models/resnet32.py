"""The residual network of 32 layers for CIFAR (He 2016, section 4.2)."""

from __future__ import annotations

from functools import partial
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from src.models.heads import Head
from src.models.residual import Residual, conv3, stages

Shortcut = Literal["A", "B"]


class ResNet32(Residual):
    """conv 3/16 · 3 stages of 5 blocks with 16, 32, 64 channels; 464,154 parameters for 3 channels and 10 classes.

    Where the channels change, the `shortcut` is the paper's option A, every other cell and zeros for the new channels,
    without parameters (its choice for CIFAR), or B, a 1 × 1 convolution (466,906 parameters).
    """

    def __init__(self, *, shortcut: Shortcut = "A", head: Head = "linear") -> None:
        super().__init__()
        self.shortcut, self.last = shortcut, head

    def layers(self, channels: int) -> tuple[nn.Sequential, int]:
        stem = (conv3(channels, 16), nn.BatchNorm2d(16), nn.ReLU(inplace=True))
        return nn.Sequential(*stem, *stages(partial(BasicBlock, self.shortcut), 16, (16, 32, 64), 5)), 64


class BasicBlock(nn.Module):
    """relu(shortcut(x) + BN(conv(relu(BN(conv(x))))))."""

    def __init__(self, shortcut: Shortcut, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            conv3(channels, out, stride), nn.BatchNorm2d(out), nn.ReLU(inplace=True),
            conv3(out, out), nn.BatchNorm2d(out),
        )  # fmt: skip
        self.shortcut: nn.Module = nn.Identity()
        if channels != out and shortcut == "A":
            self.shortcut = Padded(out - channels, stride)
        elif channels != out:
            self.shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.shortcut(x) + self.layers(x))


class Padded(nn.Module):
    """Every `stride`-th cell of each side, and `more` channels of zeros, half of them before the others."""

    def __init__(self, more: int, stride: int) -> None:
        super().__init__()
        self.before, self.after, self.stride = more // 2, more - more // 2, stride

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.before, self.after))
