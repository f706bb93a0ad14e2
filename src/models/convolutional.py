"""What the small convolutional networks share: convolutions on a picture, then linear layers on what is left of it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from src.errors import UserError
from src.models.base import Model
from src.models.heads import last_layer
from src.task import Task


class Convolutional(Model):
    """features = flattened output of `convolutions`; the classifier ends in `head`."""

    convolutions: nn.Module
    hidden_layers: nn.Module

    def layers(self, channels: int) -> nn.Module:
        """The convolutional part for pictures of so many channels.

        Pools before it rectifies: to the bit what the other order gives, with a tenth less work.
        """
        raise NotImplementedError

    def hidden(self, feature_dim: int) -> tuple[nn.Module, int]:
        """The layers between features and the last layer, and their width."""
        raise NotImplementedError

    def setup(self, task: Task) -> None:
        name = type(self).__module__.rpartition(".")[2]
        if task.input_kind != "image":
            raise UserError(f"model={name} takes images, not {task.input_kind}s; try model=mlr")
        self.convolutions = self.layers(task.input_shape[0])
        try:
            with torch.no_grad():
                self.feature_dim = self.convolutions(torch.zeros(1, *task.input_shape)).flatten(1).shape[1]
        except RuntimeError:
            self.feature_dim = 0
        if not self.feature_dim:
            size = " × ".join(str(side) for side in task.input_shape[1:])
            raise UserError(
                f"model={name} needs larger pictures than {size}; try model=mlr or another dataset.image_size"
            )
        self.hidden_layers, width = self.hidden(self.feature_dim)
        self.head = last_layer(self.last, width, task.num_classes)

    def features(self, x: Any) -> Tensor:
        flat: Tensor = self.convolutions(x).flatten(1)
        return flat

    def penultimate(self, z: Tensor) -> Tensor:
        activations: Tensor = self.hidden_layers(z)
        return activations
