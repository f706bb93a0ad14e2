"""Full-batch L-BFGS with L2 and L1 penalties: the solver of linear models, which it takes to their optimum."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from src.task import FloatArray


class LBFGS(Optimizer):
    """Minimises mean loss + ½ · weight_decay · ‖W‖² + l1 · ‖W‖₁ over all training examples at once.

    W are the parameters of more than one dimension: biases are not penalised. One `step(closure)` makes up to
    `max_iter` iterations of SciPy's L-BFGS-B (Byrd 1995) in double precision, or fewer once no component of the
    gradient exceeds `tolerance`. With l1 > 0 it solves for W = U - V with U, V ≥ 0, so that zeros are exact.
    """

    full_batch = True

    def __init__(
        self,
        params: Iterable[nn.Parameter] | Iterable[dict[str, Any]],
        *,
        weight_decay: float = 0.01,
        l1: float = 0.0,
        max_iter: int = 200,
        tolerance: float = 1e-5,
        history: int = 10,
    ) -> None:
        for name, value, least in (("weight_decay", weight_decay, 0), ("l1", l1, 0), ("tolerance", tolerance, 0)):
            if not value >= least:
                raise ValueError(f"{name}={value}: give 0 or more")
        for name, count in (("max_iter", max_iter), ("history", history)):
            if count < 1:
                raise ValueError(f"{name}={count}: give 1 or more")
        self.weight_decay, self.l1 = weight_decay, l1
        self.max_iter, self.tolerance, self.history = max_iter, tolerance, history
        self.iterations = 0
        """Iterations of the last step."""
        self.converged = False
        """Whether the last step ended because the gradient vanished."""
        super().__init__(params, {"weight_decay": weight_decay, "l1": l1})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Minimise; `closure` clears the gradients, computes them anew and returns the mean loss."""
        from scipy.optimize import minimize

        parameters = [p for group in self.param_groups for p in group["params"] if p.requires_grad]
        penalised = np.concatenate([np.full(p.numel(), p.ndim > 1) for p in parameters])
        halves = int(penalised.sum()) if self.l1 else 0

        def values(x: FloatArray) -> FloatArray:
            w = x[: len(penalised)].copy()
            if halves:
                w[penalised] -= x[len(penalised) :]
            return w

        def objective(x: FloatArray) -> tuple[float, FloatArray]:
            w = values(x)
            _assign(parameters, w)
            with torch.enable_grad():
                loss = float(torch.as_tensor(closure()).detach())
            gradient = _flat([p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters])
            inner = w * penalised
            loss += 0.5 * self.weight_decay * float(inner @ inner)
            gradient += self.weight_decay * inner
            if not halves:
                return loss, gradient
            second = self.l1 - gradient[penalised]
            gradient[penalised] += self.l1
            return loss + self.l1 * float(
                x[: len(penalised)][penalised].sum() + x[len(penalised) :].sum()
            ), np.concatenate([gradient, second])

        start = _flat(parameters)
        bounds = None
        if halves:
            both = start[penalised]
            start[penalised] = np.maximum(both, 0)
            start = np.concatenate([start, np.maximum(-both, 0)])
            bounds = [(0, None) if p else (None, None) for p in penalised] + [(0, None)] * halves
        options = {
            "maxiter": self.max_iter,
            "maxcor": self.history,
            "gtol": self.tolerance,
            "ftol": 0.0,
            "maxfun": 10 * self.max_iter,
        }
        found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
        _assign(parameters, values(found.x))
        self.iterations, self.converged = int(found.nit), found.status == 0
        return found.fun


def _flat(tensors: list[Any]) -> FloatArray:
    return torch.cat([t.detach().reshape(-1).double().cpu() for t in tensors]).numpy()


def _assign(parameters: list[Tensor], values: FloatArray) -> None:
    pieces = torch.from_numpy(values).split([p.numel() for p in parameters])
    for parameter, piece in zip(parameters, pieces, strict=True):
        parameter.copy_(piece.view_as(parameter))
