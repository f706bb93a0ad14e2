"""The last layer of a model: what logits are made of."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Head = Literal["linear", "cosine"]

SCALE = 30.0


class CosineHead(nn.Module):
    """SCALE times the cosines between (B, width) activations and C class vectors: logits (B, C) (Wang 2018, equation 3).

    Whatever the length of a class's vector, it gives the class no advantage. Activations that are all 0 give 0.
    """

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(num_classes, width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Class vectors of random directions, of length 1."""
        with torch.no_grad():
            self.weight.copy_(F.normalize(torch.randn_like(self.weight)))

    def forward(self, z: Tensor) -> Tensor:
        return SCALE * F.linear(F.normalize(z), F.normalize(self.weight))


def last_layer(head: Head, width: int, num_classes: int, *, bias: bool = True) -> nn.Module:
    """The layer from `width` activations to the classes' logits."""
    return nn.Linear(width, num_classes, bias=bias) if head == "linear" else CosineHead(width, num_classes)
