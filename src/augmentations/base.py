"""What an augmentation is: how an example varies from epoch to epoch."""

from __future__ import annotations

from typing import Any

import torch

from src.component import Component


class Augmentation(Component):
    """Acts on a training batch on the device; the default does nothing."""

    def __call__(self, x: Any, generator: torch.Generator) -> Any:
        """The varied batch; draws only from the generator, which lives on the batch's device."""
        return x
