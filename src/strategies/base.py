"""What a strategy is: how batches become a loss, and how the trained model scores new examples."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from src.component import Component
from src.models.base import Model
from src.task import Batch, FloatArray, Probabilities, Split, Task

if TYPE_CHECKING:
    from src.training import Trainer

Criterion = Callable[[Tensor, Tensor], Tensor]
"""(log-probabilities (B, C), labels (B,)) -> per-example loss (B,); supplied by the imbalance_strategy."""


def negative_log_likelihood(log_probs: Tensor, y: Tensor) -> Tensor:
    """-log p of the label, (B,)."""
    return -log_probs.gather(1, y[:, None]).squeeze(1)


def weighted_mean(loss: Tensor, weight: Tensor) -> Tensor:
    """Σ w l / Σ w of per-example losses (B,), 0 if no example counts.

    For weights of 1 it is the plain mean: gradients to the bit, the value to the bit on the CPU (elsewhere torch's mean
    multiplies by 1/B). So nothing asks the device whether they are 1, which would make every step wait for it.
    """
    return (weight * loss).sum() / weight.sum().clamp_min(torch.finfo(weight.dtype).tiny)


ParameterGroups = list[dict[str, Any]]
"""What torch's optimizers take: parameters, each group with its own options if it has any.

A group's `lr_factor` multiplies its learning rate, whatever the schedule makes of that rate.
"""


class Predictor:
    """A trained model as evaluation sees it: probabilities for a batch."""

    def __init__(self, model: Model, strategy: Strategy) -> None:
        self.model, self.strategy = model, strategy
        self.adjusts = bool(strategy.score_offset.any())

    def scores(self, x: Any) -> Tensor:
        """Probabilities (B, number of predicted classes), with the strategy's offset; rows sum to 1."""
        p = self.strategy.scores(self.model, x)
        if not self.adjusts:
            return p
        shifted = p * (-self.strategy.score_offset).softmax(dim=0)
        return shifted / shifted.sum(dim=1, keepdim=True)

    def eval(self) -> None:
        self.model.eval()
        self.strategy.eval()


class Strategy(Component, nn.Module):
    """How a batch becomes a loss."""

    uses_target: ClassVar[bool] = False
    """Whether it reads the target-domain batch (whose labels it sees only where they are labelled)."""
    uses_clean: ClassVar[bool] = False
    """Whether it reads a clean validation batch."""
    uses_weight: ClassVar[bool] = False
    """Whether an event's weight counts in its loss."""
    adapts_late: ClassVar[bool] = False
    """Whether it turns to the target domain late in the training, where the source alone would gain by stopping before."""
    predicts: ClassVar[Literal["class", "domain"]] = "class"
    own_loss: ClassVar[bool] = False
    """Whether an example's loss is the strategy's own, and takes from the criterion no more than its label's weight."""

    asks_every_label: ClassVar[bool] = False
    """Whether it asks the criterion for the loss that an example had with other labels than its own."""
    changes: bool = False
    """Whether what it minimises changes as the training goes on, or from one asking to the next."""
    unbounded: bool = False
    """Whether its loss may fall below 0, without end."""
    weighs: ClassVar[bool] = False
    """Whether it gives every example a weight of its own."""
    chooses: ClassVar[bool] = False
    """Whether what it has learned decides which examples count, so that nobody knows the class mix that the loss saw."""
    balances: bool = False
    """Whether it balances the classes itself, so that an imbalance strategy would correct them twice."""
    ignores_balance: ClassVar[bool] = False
    """Whether no imbalance strategy has an effect on it."""

    criterion: Criterion
    score_offset: Tensor
    """What is subtracted from the log-probabilities of new examples, (C,); the imbalance strategy's."""

    def __init__(self) -> None:
        super().__init__()

    def fingerprint(self, runs_root: Path, seed: int) -> str:
        """Changes with what the strategy reads of other runs; part of a run's identity. Raises UserError if it is not there."""
        return ""

    def setup(self, task: Task, model: Model, criterion: Criterion) -> None:
        """Make own parameters; raises UserError for a task it cannot serve."""
        self.criterion = criterion
        self.register_buffer("score_offset", torch.zeros(task.num_classes))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        state_dict.setdefault(f"{prefix}score_offset", self.score_offset)  # older checkpoints have none
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def loss(
        self, model: Model, source: Batch, target: Batch | None, clean: Batch | None, progress: float
    ) -> dict[str, Tensor]:
        """Named scalars for one step; 'total' is minimised, the others are recorded.

        `progress` runs from 0 to 1 over the training.
        """
        raise NotImplementedError

    def weight(self, log_probs: Tensor, y: Tensor) -> Tensor:
        """How much the criterion counts each example, (B,): its loss at the uniform prediction, over log C.

        Exactly 1 for imbalance_strategy=none and the label's weight for class_weights.
        """
        level = math.log(log_probs.shape[1])
        return self.criterion(torch.full_like(log_probs, -level), y).detach() / level

    def parameter_groups(self, model: Model) -> ParameterGroups:
        """What is optimised, and how where it differs from the optimizer's options; the first group is the model's."""
        return [{"params": [*model.parameters(), *self.parameters()]}]

    def sees(self, drawn: FloatArray, counted: FloatArray) -> None:
        """Told before each epoch of which class mix its examples are drawn, and of which the loss is, weights included.

        Both are of observed labels, (C,), up to a factor.
        """

    def logits(self, model: Model, x: Any) -> Tensor:
        """What new examples are scored by, (B, number of predicted classes)."""
        logits: Tensor = model(x)
        return logits

    def embedding(self, model: Model, x: Any) -> Tensor:
        """What domains are compared in, (B, width)."""
        return model.features(x)

    def scores(self, model: Model, x: Any) -> Tensor:
        """Probabilities (B, number of predicted classes) for new examples: the softmax of the logits, unless overridden."""
        return self.logits(model, x).float().softmax(dim=1)

    def observed(self, p: Probabilities) -> Probabilities:
        """P(observed label | x), (n, C), by scores (n, C): they themselves, unless the strategy knows how labels go wrong."""
        return p

    def class_mix(self, seen: FloatArray) -> FloatArray | None:
        """The class mix that the scores are of, up to a factor, (C,), for the one that the loss saw; None: not known."""
        return None if self.chooses else self.true_mix(seen)

    def true_mix(self, observed: FloatArray) -> FloatArray | None:
        """The class mix behind that of observed labels, (C,), as far as the strategy tells them apart; None: not known."""
        return observed

    def facts(self, train: Split, folder: Path) -> dict[str, float]:
        """What the metrics should tell of a training that has ended, given its examples and the run's folder.

        Clean labels are read here, and elsewhere only by a strategy that counts them as cost/clean_labels.
        """
        return {}

    def fit(self, task: Task, model: Model, trainer: Trainer) -> Predictor:
        """Train; the default is the shared loop over `loss`. Methods that are not a loss override this."""
        return trainer.minimise(model, self)
