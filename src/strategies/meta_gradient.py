"""How much a step on each training example would lower the loss on clean ones: inner products of gradients."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm

from src.models.base import Model
from src.strategies.base import Criterion, negative_log_likelihood
from src.task import Batch

Named = Mapping[str, Tensor]
"""Tensors by the names of the model's parameters."""


class MetaGradient:
    """Gradients of a model beside its training step: buffers stay as they are and dropout (any noise) is off.

    Batch norm normalises by the batch it sees, as in the step itself, but its running statistics are not touched.
    """

    forward_mode = True
    """Whether the model's layers have forward-mode derivatives: true until one is found that has not."""

    def of_clean(self, model: Model, clean: Batch, at: Named) -> dict[str, Tensor]:
        """Gradient of the mean -log p over the clean batch, with the parameters `at`; by name, zeros where unused."""
        parameters = {name: value.detach().requires_grad_() for name, value in at.items()}
        loss = _losses(model, parameters, clean.x, clean.y, negative_log_likelihood).mean()
        return dict(zip(parameters, _gradients(loss, parameters), strict=True))

    def along(self, model: Model, batch: Batch, criterion: Criterion, at: Named, direction: Named) -> Tensor:
        """⟨∇f_i, direction⟩ of every example's loss f_i at the parameters `at`, (B,).

        One forward-mode pass, or where a layer has no forward mode twice the backward pass.
        """
        if self.forward_mode:
            try:
                return _jvp(model, batch, criterion, at, direction)
            except (NotImplementedError, RuntimeError) as error:
                if not _without_forward_mode(error):
                    raise
                self.forward_mode = False
        return _double_vjp(model, batch, criterion, at, direction)


def trainable(model: Model) -> dict[str, Tensor]:
    return {name: value for name, value in model.named_parameters() if value.requires_grad}


def _losses(model: Model, parameters: Named, x: Any, y: Tensor, criterion: Criterion) -> Tensor:
    """Per-example losses (B,) with other parameters and a copy of the buffers."""
    buffers = {name: value.clone() for name, value in model.named_buffers()}
    with _without_chance(model):
        logits: Tensor = functional_call(model, {**parameters, **buffers}, (x,))
    return criterion(logits.log_softmax(dim=1), y)


def _jvp(model: Model, batch: Batch, criterion: Criterion, at: Named, direction: Named) -> Tensor:
    with torch.no_grad(), forward_ad.dual_level():
        duals = {name: forward_ad.make_dual(value.detach(), direction[name]) for name, value in at.items()}
        losses = forward_ad.unpack_dual(_losses(model, duals, batch.x, batch.y, criterion))
        return torch.zeros_like(losses.primal) if losses.tangent is None else losses.tangent


def _double_vjp(model: Model, batch: Batch, criterion: Criterion, at: Named, direction: Named) -> Tensor:
    """The derivative along `direction` of vᵀJ, a linear function of v, with respect to v."""
    parameters = {name: value.detach().requires_grad_() for name, value in at.items()}
    losses = _losses(model, parameters, batch.x, batch.y, criterion)
    v = torch.zeros_like(losses, requires_grad=True)
    pulled = torch.autograd.grad(losses, [*parameters.values()], v, create_graph=True, materialize_grads=True)
    products = [(each * direction[name]).sum() for name, each in zip(parameters, pulled, strict=True)]
    return torch.autograd.grad(torch.stack(products).sum(), v)[0]


def _gradients(loss: Tensor, parameters: Named) -> tuple[Tensor, ...]:
    return torch.autograd.grad(loss, [*parameters.values()], materialize_grads=True)


def _without_forward_mode(error: Exception) -> bool:
    text = str(error).lower()
    return "forward" in text and ("ad" in text or "mode" in text or "jvp" in text)


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
