"""What an augmentation is: how an example varies from epoch to epoch."""

from __future__ import annotations

from typing import Any

import torch

from src.component import Component


class Augmentation(Component):
    """Acts on a training batch on the device; the default does nothing."""

    def setup(self, class_names: tuple[str, ...]) -> None:
        """Learn what the labels mean; raises UserError for options that do not fit them."""

    def __call__(self, x: Any, generator: torch.Generator, labels: torch.Tensor | None = None) -> Any:
        """The varied batch; draws only from the generator, which lives on the batch's device.

        `labels` are the observed ones, (B,), HIDDEN where they must not be seen.
        """
        return x
