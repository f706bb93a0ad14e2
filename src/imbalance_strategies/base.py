"""What an imbalance strategy is: how often each example is seen, and how much it counts."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from src.component import Component
from src.task import FloatArray, IntArray, Split, class_counts


class ImbalanceStrategy(Component):
    """Sees the training split only; the default draws every example once an epoch and weighs all alike.

    The attributes say what it does, for the rules between components; an instance may set them by its options.
    """

    balances: bool = False
    """Whether it changes the class mix that the loss sees: two that do are a double correction."""
    reshapes: bool = False
    """Whether its loss is more than a weight of the class times -log p of the label."""
    batchwise: bool = False
    """Whether an example's loss depends on the labels of its batch."""
    changes: bool = False
    """Whether what it draws or how it weighs changes as the training goes on, by `at` or by what the model has learned."""
    adjusts_scores: bool = False
    """Whether it has a `score_offset`."""
    synthesises: bool = False
    """Whether `extend` makes new examples."""
    embeds: bool = False
    """Whether they are made in the embedding, after the training, for the last layer alone."""
    by_size: bool = False
    """Whether it asks for the examples' sizes, which only graphs differ in."""
    cosine_head: bool = False
    """Whether its loss is about cosines, which model.head=cosine gives."""

    def setup(self, labels: IntArray, num_classes: int) -> None:
        """Take the observed labels of the labelled training examples, shape (n,), values in [0, num_classes).

        Raises UserError if they cannot be balanced.
        """
        self.labels, self.num_classes = labels, num_classes

    def extend(self, train: Split, rng: np.random.Generator) -> Split:
        """The training split with new examples behind its own; called before `setup`.

        Raises UserError if none can be made.
        """
        return train

    def meet(self, train: Split, batch_size: int) -> None:
        """Take the examples that `setup` had the labels of, and how many of them a step takes; called before `order`.

        Raises UserError if they cannot be drawn as it draws them.
        """

    def at(self, progress: float) -> None:
        """Called before each epoch's order and before each step, with the progress of the training from 0 to 1."""

    def order(self, rng: np.random.Generator) -> IntArray:
        """Positions (in the labels given to `setup`) to be visited in one epoch, in that order; always as many."""
        return rng.permutation(len(self.labels))

    def criterion(self, log_probs: Tensor, y: Tensor) -> Tensor:
        """Per-example loss (B,) from log-probabilities (B, C) and labels (B,).

        log_softmax forgets a shift of its row, so that a change of logits may as well be made to log-probabilities.
        """
        return -log_probs.gather(1, y[:, None]).squeeze(1)

    def drawn_prior(self) -> FloatArray:
        """The class mix that an epoch draws, up to a factor, (C,)."""
        return class_counts(self.labels, self.num_classes) / len(self.labels)

    def effective_prior(self) -> FloatArray:
        """The class mix that the loss sees, by draws and weights, up to a factor, (C,): what scores must be mapped back from."""
        return self.drawn_prior()

    def score_offset(self) -> FloatArray | None:
        """What is subtracted from the log-probabilities of new examples, (C,); None: nothing."""
        return None

    def state_dict(self) -> dict[str, Any]:
        """What a resumed training must know beyond `setup` and `at`."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take what `state_dict` gave, after `setup`."""
