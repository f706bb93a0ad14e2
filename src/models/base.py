"""What a model is: a family of functions that splits into features and a classifier on them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from src.component import Component
from src.models.heads import Head
from src.models.side import SideScores
from src.task import Task


class Model(Component, nn.Module):
    """features: input -> (B, feature_dim); penultimate: features -> activations; classify: features -> (B, C) logits."""

    feature_dim: int
    last: Head = "linear"
    """What kind of layer `head` is."""
    l2: float = 0.0
    """What the sum of the squares of `head`'s weights counts in the loss."""
    restored: bool = False
    """Whether a checkpoint follows the setup, so that weights to begin with need not be fetched."""
    classifies: bool = True
    """Whether it says anything of the class, and not of other things alone."""
    tempers: bool = False
    """Whether it learns how much the class loss counts, which a loss without a lower bound would drive to infinity."""
    head: nn.Module
    """The last layer, from the penultimate activations to logits."""

    def __init__(self) -> None:
        super().__init__()

    def setup(self, task: Task) -> None:
        """Make the layers for a task; sets `feature_dim`. Raises UserError for inputs it cannot take."""
        raise NotImplementedError

    def fingerprint(self) -> str:
        """Changes with the content of files that the model reads; part of a run's identity."""
        return ""

    def features(self, x: Any) -> Tensor:
        """(B, feature_dim)."""
        raise NotImplementedError

    def penultimate(self, z: Tensor) -> Tensor:
        """The activations that the last linear layer sees, (B, width); the features themselves if it sees those."""
        return z

    def classify(self, z: Tensor) -> Tensor:
        """Logits (B, C) from features."""
        logits: Tensor = self.head(self.penultimate(z))
        return logits

    def penalty(self) -> Tensor | None:
        """What the weights add to the loss: l2 · Σ w² over the last layer's, without biases (Keras' L2); None: nothing."""
        if not self.l2:
            return None
        return self.l2 * torch.stack([p.square().sum() for p in self.head.parameters() if p.ndim > 1]).sum()

    def side_losses(self, x: Any) -> dict[str, Tensor]:
        """Named losses of what it predicts beside the class, as they count; their truth lies in the inputs."""
        return {}

    def side_scores(self, x: Any) -> dict[str, SideScores]:
        """What it says of new inputs beside the class, by the names of `side_losses`."""
        return {}

    def tempered(self, loss: Tensor) -> Tensor:
        """The class loss as it counts beside those of `side_losses`: itself, unless the model learns how much."""
        return loss

    def forward(self, x: Any) -> Tensor:
        return self.classify(self.features(x))
