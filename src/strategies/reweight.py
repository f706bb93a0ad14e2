"""Learning to reweight examples (Ren 2018): each counts as much as a step on it helps on clean ones."""

from __future__ import annotations

from torch import Tensor

from src.models.base import Model
from src.strategies.meta_gradient import MetaGradient, trainable
from src.strategies.weighting import Weighting, proportional
from src.task import Batch


class Reweight(Weighting):
    """Σ_i w_i f_i with w_i ∝ max(⟨∇f_i, ∇f_clean⟩, 0) summing to 1 over a batch (algorithm 1).

    The paper differentiates the clean loss after a virtual step of SGD with respect to the examples' weights, which are
    zero: that is this inner product times the step's length, which the scaling cancels. A batch whose weights are all
    zero teaches nothing; train/zero_batches is their share. f is the imbalance strategy's loss, the clean loss is
    plain. The weights do not depend on the optimizer.
    """

    uses_clean = chooses = True

    def __init__(self) -> None:
        super().__init__()
        self.meta = MetaGradient()

    def loss(
        self, model: Model, source: Batch, target: Batch | None, clean: Batch | None, progress: float
    ) -> dict[str, Tensor]:
        assert clean is not None
        losses, alignment = self.losses_and_alignment(model, source, clean)
        weight = proportional(alignment)
        self.record(source, weight)
        return {
            "total": (weight * losses).sum(),
            "zero_batches": (weight.sum() == 0).float(),
            "positive": (weight > 0).float().mean(),
        }

    def losses_and_alignment(self, model: Model, source: Batch, clean: Batch) -> tuple[Tensor, Tensor]:
        """(f_i, ⟨∇f_i, ∇f_clean⟩), both (B,)."""
        direction = self.meta.of_clean(model, clean, trainable(model))
        return self.meta.losses_and_along(model, source, self.criterion, direction)
