"""Adversarial discriminative domain adaptation (Tzeng 2017): a target encoder that a discriminator takes for the source's."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.func import functional_call

from src.component import OpenFraction, PositiveInt
from src.errors import UserError
from src.models.base import Model
from src.strategies.base import Criterion, ParameterGroups
from src.strategies.domain_head import domain_loss
from src.strategies.two_domains import TwoDomains, teachers
from src.task import Batch, Task


class ADDA(TwoDomains):
    """Plain training for `warm_up` of the steps; then the features of the target are made to look like the source's.

    A frozen copy of the model is from then on the source's encoder; the model goes on as the target's. A discriminator
    learns which of the two features are of, and the model, against it, that it calls the target's features the source's
    (inverted labels, equation 9, no reversed gradient). Both losses are minimised at once, each by its own parameters;
    the last layer learns no more. Both encoders are in one mode, in training with dropout and the statistics of their own
    batch: otherwise dropout alone would tell their features apart. The copy's running statistics drift; nothing reads them.
    All examples, the source's too, are scored by the model, which is the target's encoder. A `domain_accuracy` between 0.5
    and 0.7 is healthy; `mapping` far above log 2 says that the discriminator has won.
    """

    changes = adapts_late = True

    adapting: Tensor

    def __init__(self, *, warm_up: OpenFraction = 0.5, hidden: PositiveInt = 500) -> None:
        super().__init__()
        self.warm_up, self.hidden = warm_up, hidden

    def setup(self, task: Task, model: Model, criterion: Criterion) -> None:
        super().setup(task, model, criterion)
        self.encoder = copy.deepcopy(model).requires_grad_(False)
        self.encoder.l2 = 0.0  # what learns no more has no penalty
        self.register_buffer("adapting", torch.tensor(False))
        self.head = nn.Sequential(
            nn.Linear(model.feature_dim, self.hidden), nn.ReLU(inplace=True),
            nn.Linear(self.hidden, self.hidden), nn.ReLU(inplace=True), nn.Linear(self.hidden, 2),
        )  # fmt: skip

    def parameter_groups(self, model: Model) -> ParameterGroups:
        return [{"params": [*model.parameters(), *self.head.parameters()]}]

    def loss(
        self, model: Model, source: Batch, target: Batch | None, clean: Batch | None, progress: float
    ) -> dict[str, Tensor]:
        if progress < self.warm_up:
            taught = teachers(source, target)
            class_loss = self.class_loss(model(taught.x), taught)
            return {"total": class_loss, "class": class_loss}
        if not self.adapting:
            self.encoder.load_state_dict(model.state_dict())
            self.adapting.fill_(True)
        if target is None:
            raise UserError("strategy=adda: there is no batch of a second domain to adapt to")
        model.head.requires_grad_(False)
        return self.adversarial(model, source, target)

    def adversarial(self, model: Model, source: Batch, target: Batch) -> dict[str, Tensor]:
        """The discriminator's loss, domain, and the model's, mapping; neither has a gradient in the other's parameters."""
        with torch.no_grad():
            here = self.encoder.train(model.training).features(source.x)
        there = model.features(target.x)
        domain = torch.tensor([0] * len(source) + [1] * len(target), device=there.device)
        logits = self.head(torch.cat([here, there.detach()]))
        loss = domain_loss(logits, domain, torch.cat([source.weight, target.weight]))
        frozen = {name: parameter.detach() for name, parameter in self.head.named_parameters()}
        mapping = domain_loss(functional_call(self.head, frozen, (there,)), torch.zeros_like(target.y), target.weight)
        with torch.no_grad():
            accuracy = (logits.argmax(dim=1) == domain).float().mean()
        return {"total": loss + mapping, "domain": loss, "mapping": mapping, "domain_accuracy": accuracy}
