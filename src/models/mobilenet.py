"""The two-view MobileNetV2 of the 2020 NOvA robustness study, for any number of views.

Every view has a tower of its own up to the third stage; then the views' channels are joined. With width α every
channel count c is int(α·c), and a block expands its input n times to int(n·α·t), at least 1 each. For 2 views of one channel, 3 classes
and α = 0.25 the network has 394,548 trainable parameters and 3,536 running statistics, the study's own numbers:

    per view  conv 3×3/2 → 32                                      no bias
              t 1  c 16  n 1  stride 1 | t 6  c 24  n 2  stride 2 | t 6  c 32  n 3  stride 2
    joined    t 6  c 64  n 4  stride 2 | t 6  c 96  n 3  stride 1 | t 6  c 160 n 3  stride 2 | t 6  c 320 n 1  stride 1
              conv 1×1 → 1280 (320 at α = 0.25), no bias; mean over the picture = the features
    head      dropout, linear 1024, ReLU (= the penultimate activations), dropout, linear C without bias, L2 on its weights

A block is expansion 1×1 (no bias) → depthwise 3×3 (bias) → projection 1×1 (bias), batch norm after each, ReLU after
the first two; repetitions within a stage are residual. The study ran the projections' batch norm in inference mode, so
that its statistics never moved; here they are learned like all others.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from src.component import Dropout, NonNegativeFloat, PositiveFloat, PositiveInt
from src.errors import UserError
from src.models.base import Model
from src.models.heads import Head, last_layer
from src.task import Task

Stage = tuple[int, int, int, int]  # expansion, channels, repetitions, stride
PER_VIEW: tuple[Stage, ...] = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2))
JOINED: tuple[Stage, ...] = ((6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


class MobileNet(Model):
    """MobileNetV2 with one tower per view; images (B, views · channels, H, W) of any size from 32 on."""

    def __init__(
        self,
        *,
        width: PositiveFloat = 0.25,
        hidden: PositiveInt = 1024,
        dropout: Dropout = 0.4,
        input_noise: Dropout = 0.001,
        l2: NonNegativeFloat = 0.0,
        head: Head = "linear",
    ) -> None:
        super().__init__()
        self.width, self.hidden, self.dropout, self.input_noise = width, hidden, dropout, input_noise
        self.last, self.l2 = head, l2

    def setup(self, task: Task) -> None:
        if task.input_kind != "image":
            raise UserError(f"model=mobilenet takes images, not {task.input_kind}s; try model=mlr")
        channels, height, width = task.input_shape
        if min(height, width) < 32 or channels % task.views:
            raise UserError(
                f"model=mobilenet takes pictures of at least 32 × 32 cells, not {height} × {width}, "
                f"and as many channels in each of the {task.views} views; try model=lenet"
            )
        views = task.views
        joined = self._scaled(32) * views
        stem = nn.Sequential(
            nn.Conv2d(channels, joined, 3, 2, 1, groups=views, bias=False),
            nn.BatchNorm2d(joined),
            nn.ReLU(inplace=True),
        )
        towers, joined = self._stages(PER_VIEW, joined, views)
        trunk, joined = self._stages(JOINED, joined, 1)
        self.feature_dim = self._scaled(1280)
        last = nn.Sequential(
            nn.Conv2d(joined, self.feature_dim, 1, bias=False), nn.BatchNorm2d(self.feature_dim), nn.ReLU(inplace=True)
        )
        self.noise = GaussianDropout(self.input_noise)
        self.backbone = nn.Sequential(stem, *towers, *trunk, last)
        self.hidden_layer = nn.Sequential(
            nn.Dropout(self.dropout), nn.Linear(self.feature_dim, self.hidden), nn.ReLU(inplace=True)
        )
        logits = last_layer(self.last, self.hidden, task.num_classes, bias=False)
        self.head = nn.Sequential(nn.Dropout(self.dropout), logits)

    def features(self, x: Any) -> Tensor:
        pooled: Tensor = self.backbone(self.noise(x)).mean(dim=(2, 3))
        return pooled

    def penultimate(self, z: Tensor) -> Tensor:
        activations: Tensor = self.hidden_layer(z)
        return activations

    def _scaled(self, channels: int) -> int:
        """So many channels of the network of width 1, in this one."""
        return max(1, int(channels * self.width))

    def _stages(self, stages: tuple[Stage, ...], channels: int, views: int) -> tuple[list[nn.Module], int]:
        """The blocks of several stages; `views` towers run side by side as groups of one convolution."""
        blocks: list[nn.Module] = []
        for expansion, out, repetitions, stride in stages:
            made = self._scaled(out) * views
            for number in range(repetitions):
                expanded = self._scaled(channels // views * expansion) * views
                blocks.append(
                    InvertedResidual(channels, expanded, made, stride if number == 0 else 1, views, number > 0)
                )
                channels = made
        return blocks, channels


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project (Sandler 2018, figure 3b); `groups` towers side by side."""

    def __init__(self, channels: int, expanded: int, out: int, stride: int, groups: int, residual: bool) -> None:
        super().__init__()
        self.residual = residual
        self.layers = nn.Sequential(
            nn.Conv2d(channels, expanded, 1, groups=groups, bias=False), nn.BatchNorm2d(expanded), nn.ReLU(inplace=True),
            nn.Conv2d(expanded, expanded, 3, stride, 1, groups=expanded), nn.BatchNorm2d(expanded), nn.ReLU(inplace=True),
            nn.Conv2d(expanded, out, 1, groups=groups), nn.BatchNorm2d(out),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return x + y if self.residual else y


class GaussianDropout(nn.Module):
    """Multiplies by noise of mean 1 and variance rate / (1 - rate) in training (Srivastava 2014, section 10)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.deviation = (rate / (1 - rate)) ** 0.5

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.deviation:
            return x
        flat = x.flatten()
        lit = flat.nonzero().squeeze(1)  # pictures of events are nearly empty, and nothing times noise is nothing
        noise = torch.randn(len(lit), device=x.device, dtype=x.dtype).mul_(self.deviation).add_(1)
        return flat.index_copy(0, lit, flat[lit] * noise).view_as(x)
