"""Meta-Weight-Net (Shu 2019): a small network learns from clean examples how much a loss should count."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from src.component import NonNegativeFloat, PositiveFloat, PositiveInt
from src.models.base import Model
from src.strategies.base import Criterion, ParameterGroups
from src.strategies.meta_gradient import MetaGradient, trainable
from src.strategies.weighting import Weighting
from src.task import Batch, Task


class MetaWeightNet(Weighting):
    """Σ_i w_i f_i with w_i from V(f_i), a network 1 → `hidden` → 1 with a sigmoid, trained by the clean loss.

    θ̂ = θ - step · ∇_θ Σ w_i f_i is a virtual step (equation 5) and V's gradient is that of the clean loss at θ̂ (equation
    6): -step · Σ_i ⟨∇f_i(θ), ∇f_clean(θ̂)⟩ ∇w_i, for which no second derivative is needed. V learns by an Adam of its own,
    whose steps do not depend on how small that gradient is; the model then learns by the new weights (equation 7).
    normalise: w_i = V_i / B (batch_size), as in the paper's equations, where all weights grow until V is 1, or
    V_i / ΣV (weight_sum), as in its code.
    """

    uses_clean = chooses = True

    def __init__(
        self,
        *,
        hidden: PositiveInt = 100,
        step: PositiveFloat = 0.01,
        normalise: Literal["weight_sum", "batch_size"] = "weight_sum",
        lr: PositiveFloat = 0.001,
        weight_decay: NonNegativeFloat = 1e-4,
    ) -> None:
        super().__init__()
        self.hidden, self.step, self.normalise = hidden, step, normalise
        self.lr, self.weight_decay = lr, weight_decay
        self.meta = MetaGradient()

    def setup(self, task: Task, model: Model, criterion: Criterion) -> None:
        super().setup(task, model, criterion)
        self.net = nn.Sequential(nn.Linear(1, self.hidden), nn.ReLU(), nn.Linear(self.hidden, 1), nn.Sigmoid())
        self.optimizer = torch.optim.Adam(self.net.parameters(), self.lr, weight_decay=self.weight_decay)

    def parameter_groups(self, model: Model) -> ParameterGroups:
        return [{"params": [*model.parameters()]}]

    def get_extra_state(self) -> dict[str, Any]:
        return self.optimizer.state_dict()

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.optimizer.load_state_dict(state)

    def loss(
        self, model: Model, source: Batch, target: Batch | None, clean: Batch | None, progress: float
    ) -> dict[str, Tensor]:
        assert clean is not None
        losses = self.criterion(model(source.x).log_softmax(dim=1), source.y)
        meta = self.learn(model, source, clean, losses)
        weight = self.weigh(losses.detach()).detach()
        self.record(source, weight)
        value = self.net(losses.detach()[:, None]).detach().mean()
        return {"total": (weight * losses).sum(), "meta": meta, "weight": value}

    def learn(self, model: Model, source: Batch, clean: Batch, losses: Tensor) -> Tensor:
        """A step of V; returns what it lowers. The losses (B,) keep their graph."""
        weight = self.weigh(losses.detach())
        weighted = (weight.detach() * losses).sum()
        gradients = torch.autograd.grad(
            weighted, [*trainable(model).values()], retain_graph=True, materialize_grads=True
        )
        meta = self.meta_loss(model, source, clean, weight, gradients)
        meta.backward(inputs=[*self.net.parameters()])
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return meta.detach()

    def weigh(self, losses: Tensor) -> Tensor:
        """w (B,) for losses (B,); its gradient reaches V alone."""
        value = self.net(losses[:, None]).squeeze(1)
        scale = value.sum() if self.normalise == "weight_sum" else value.new_tensor(len(value))
        weight: Tensor = value / scale.clamp_min(torch.finfo(value.dtype).tiny)
        return weight

    def meta_loss(
        self, model: Model, source: Batch, clean: Batch, weight: Tensor, gradients: tuple[Tensor, ...]
    ) -> Tensor:
        """-step · Σ_i ⟨∇f_i(θ), ∇f_clean(θ̂)⟩ w_i: the gradient of V is that of the clean loss at θ̂."""
        now = trainable(model)
        virtual = {
            name: value.detach() - self.step * g for (name, value), g in zip(now.items(), gradients, strict=True)
        }
        direction = self.meta.of_clean(model, clean, virtual)
        helps = self.meta.along(model, source, self.criterion, direction)
        return -self.step * (helps.detach() * weight).sum()
