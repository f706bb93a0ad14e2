"""What residual networks for small pictures share: a convolution, three stages of blocks, the mean over the picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from src.errors import UserError
from src.models.base import Model
from src.models.heads import last_layer
from src.task import Task

Block = Callable[[int, int, int], nn.Module]
"""(channels in, channels out, stride) -> a residual block."""


class Residual(Model):
    """features = channel means of the last stage (B, feature_dim), which the last layer sees; pictures of any size.

    Convolutions start as in He 2015 (normal, variance 2 over the fan-out).
    """

    trunk: nn.Sequential

    def layers(self, channels: int) -> tuple[nn.Sequential, int]:
        """All that comes before the mean, for pictures of so many channels, and the channels that it leaves."""
        raise NotImplementedError

    def setup(self, task: Task) -> None:
        if task.input_kind != "image":
            name = type(self).__module__.rpartition(".")[2]
            raise UserError(f"model={name} takes images, not {task.input_kind}s; try model=mlr")
        self.trunk, self.feature_dim = self.layers(task.input_shape[0])
        self.head = last_layer(self.last, self.feature_dim, task.num_classes)
        for module in self.trunk.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def features(self, x: Any) -> Tensor:
        means: Tensor = self.trunk(x).mean(dim=(2, 3))
        return means


def stages(block: Block, channels: int, widths: tuple[int, int, int], repetitions: int) -> list[nn.Module]:
    """The blocks of three stages; the second and the third begin by halving the picture's sides."""
    blocks = []
    for stage, width in enumerate(widths):
        for number in range(repetitions):
            blocks.append(block(channels, width, 2 if stage and not number else 1))
            channels = width
    return blocks


def conv3(channels: int, out: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, out, 3, stride, padding=1, bias=False)
