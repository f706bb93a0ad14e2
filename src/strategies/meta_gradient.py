"""How much a step on each training example would lower the loss on clean ones: inner products of gradients."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules.batchnorm import _BatchNorm

from src.models.base import Model
from src.strategies.base import Criterion, negative_log_likelihood
from src.task import Batch

Named = Mapping[str, Tensor]
"""Tensors by the names of the model's parameters."""


class MetaGradient:
    """Gradients of a model beside its training step.

    But for `losses_and_along`, which is the step's own pass, buffers stay as they are and dropout (any noise) is off;
    batch norm normalises by the batch it sees, as in training.
    """

    def __init__(self) -> None:
        self.forward_mode: bool | None = None
        """Whether all of the model's layers have forward-mode derivatives; None before the first batch."""

    def of_clean(self, model: Model, clean: Batch, at: Named) -> dict[str, Tensor]:
        """Gradient of the mean -log p over the clean batch, with the parameters `at`; by name, zeros where unused."""
        parameters = {name: value.detach().requires_grad_() for name, value in at.items()}
        loss = _aside(model, parameters, clean, negative_log_likelihood).mean()
        return dict(zip(parameters, _gradients(loss, parameters), strict=True))

    def along(self, model: Model, batch: Batch, criterion: Criterion, direction: Named) -> Tensor:
        """⟨∇f_i, direction⟩ of every example's loss f_i, (B,).

        One forward-mode pass, or where a layer has no forward mode twice the backward pass.
        """
        if self._has_forward_mode(model, batch, criterion, direction):
            found = _forward_mode(model, batch, criterion, direction)
            assert found is not None
            return found
        parameters = {name: value.detach().requires_grad_() for name, value in trainable(model).items()}
        return _double_vjp(_aside(model, parameters, batch, criterion), parameters, direction)

    def losses_and_along(
        self, model: Model, batch: Batch, criterion: Criterion, direction: Named
    ) -> tuple[Tensor, Tensor]:
        """(f_i with their graph, ⟨∇f_i, direction⟩ without one), both (B,), from the training step's one pass."""
        parameters = trainable(model)
        if not self._has_forward_mode(model, batch, criterion, direction):
            with plain_attention():
                losses = criterion(model(batch.x).log_softmax(dim=1), batch.y)
            return losses, _double_vjp(losses, parameters, direction)
        with forward_ad.dual_level(), plain_attention():
            duals = {name: forward_ad.make_dual(value, direction[name]) for name, value in parameters.items()}
            logits: Tensor = functional_call(model, duals, (batch.x,))
            primal, tangent = forward_ad.unpack_dual(criterion(logits.log_softmax(dim=1), batch.y))
            assert tangent is not None
            return primal, tangent.detach()

    def _has_forward_mode(self, model: Model, batch: Batch, criterion: Criterion, direction: Named) -> bool:
        """Tried out on the first batch."""
        if self.forward_mode is None:
            try:
                self.forward_mode = _forward_mode(model, batch, criterion, direction) is not None
            except (NotImplementedError, RuntimeError) as error:
                if not _without_forward_mode(error):
                    raise
                self.forward_mode = False
        return self.forward_mode


def plain_attention() -> contextlib.AbstractContextManager[None]:
    """The others' kernels have neither forward-mode nor second derivatives."""
    return sdpa_kernel(SDPBackend.MATH)


def trainable(model: Model) -> dict[str, Tensor]:
    return {name: value for name, value in model.named_parameters() if value.requires_grad}


def _aside(model: Model, parameters: Named, batch: Batch, criterion: Criterion) -> Tensor:
    """Per-example losses (B,) with other parameters and a copy of the buffers."""
    buffers = {name: value.clone() for name, value in model.named_buffers()}
    with _without_chance(model), plain_attention():
        logits: Tensor = functional_call(model, {**parameters, **buffers}, (batch.x,))
    return criterion(logits.log_softmax(dim=1), batch.y)


def _forward_mode(model: Model, batch: Batch, criterion: Criterion, direction: Named) -> Tensor | None:
    """None where a layer lets derivatives drop without a word."""
    with torch.no_grad(), forward_ad.dual_level():
        duals = {name: forward_ad.make_dual(value, direction[name]) for name, value in trainable(model).items()}
        return forward_ad.unpack_dual(_aside(model, duals, batch, criterion)).tangent


def _double_vjp(losses: Tensor, parameters: Named, direction: Named) -> Tensor:
    """The derivative along `direction` of vᵀJ, a linear function of v, with respect to v."""
    v = torch.zeros_like(losses, requires_grad=True)
    pulled = torch.autograd.grad(losses, [*parameters.values()], v, create_graph=True, materialize_grads=True)
    products = [(each * direction[name]).sum() for name, each in zip(parameters, pulled, strict=True)]
    return torch.autograd.grad(torch.stack(products).sum(), v, retain_graph=True)[0]


def _gradients(loss: Tensor, parameters: Named) -> tuple[Tensor, ...]:
    return torch.autograd.grad(loss, [*parameters.values()], materialize_grads=True)


def _without_forward_mode(error: Exception) -> bool:
    return re.search(r"forward[- ](mode )?(AD\b|mode|derivative)|jvp", str(error)) is not None


@contextlib.contextmanager
def _without_chance(model: nn.Module) -> Iterator[None]:
    """All layers as in use, but batch norm as in training."""
    modes = {layer: layer.training for layer in model.modules()}
    try:
        for layer, training in modes.items():
            layer.training = training and isinstance(layer, _BatchNorm)
        yield
    finally:
        for layer, training in modes.items():
            layer.training = training
