"""Full-batch L-BFGS with L2 and L1 penalties: the solver of linear models, which it takes to their optimum."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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
        weight_decay: float = 0.02,
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
        """Whether no component of the gradient exceeded the tolerance at the end of the last step."""
        self.stalled = False
        """Whether the last step ended above the tolerance because the loss, in its precision, falls no further."""
        super().__init__(params, {"weight_decay": weight_decay, "l1": l1})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Minimise; `closure` clears the gradients, computes them anew and returns the mean loss."""
        from scipy.optimize import Bounds, minimize

        parameters = [p for group in self.param_groups for p in group["params"] if p.requires_grad]
        objective = _Objective(parameters, closure, self.weight_decay, self.l1)
        lower = objective.lower()
        options = {
            "maxiter": self.max_iter,
            "maxcor": self.history,
            "gtol": self.tolerance,
            "ftol": 0.0,
            "maxfun": 10 * self.max_iter,
        }
        found = minimize(
            objective, objective.start(), jac=True, method="L-BFGS-B", bounds=Bounds(lower, np.inf), options=options
        )
        _assign(parameters, objective.values(found.x))
        projected = found.x - np.maximum(found.x - found.jac, lower)
        self.iterations = int(found.nit)
        self.converged = bool(np.abs(projected).max() <= self.tolerance)
        self.stalled = found.status == 0 and not self.converged
        return found.fun


class _Objective:
    """The penalised loss, and its gradient, of one flat vector: the parameters, or with l1 > 0 U in W's place, then V."""

    def __init__(
        self, parameters: list[nn.Parameter], closure: Callable[[], Any], weight_decay: float, l1: float
    ) -> None:
        self.parameters, self.closure, self.weight_decay, self.l1 = parameters, closure, weight_decay, l1
        self.penalised = np.concatenate([np.full(p.numel(), p.ndim > 1) for p in parameters])

    def start(self) -> FloatArray:
        w = _flat(self.parameters)
        return self._doubled(np.where(self.penalised, np.maximum(w, 0), w), np.maximum(-w, 0)) if self.l1 else w

    def lower(self) -> FloatArray:
        """Below which no entry may go."""
        free = np.full(len(self.penalised), -np.inf)
        return self._doubled(np.where(self.penalised, 0, free), np.zeros(len(free))) if self.l1 else free

    def values(self, x: FloatArray) -> FloatArray:
        """The parameters that x stands for."""
        w = x[: len(self.penalised)].copy()
        if self.l1:
            w[self.penalised] -= x[len(w) :]
        return w

    def __call__(self, x: FloatArray) -> tuple[float, FloatArray]:
        w = self.values(x)
        _assign(self.parameters, w)
        with torch.enable_grad():
            loss = float(torch.as_tensor(self.closure()).detach())
        gradient = _flat([p.grad if p.grad is not None else torch.zeros_like(p) for p in self.parameters])
        inner = w * self.penalised
        loss += 0.5 * self.weight_decay * float(inner @ inner)
        gradient += self.weight_decay * inner
        if not self.l1:
            return loss, gradient
        size = float(x[: len(w)][self.penalised].sum() + x[len(w) :].sum())
        return loss + self.l1 * size, self._doubled(gradient + self.l1 * self.penalised, self.l1 - gradient)

    def _doubled(self, first: FloatArray, second: FloatArray) -> FloatArray:
        """The first, then what the second has for penalised parameters."""
        return np.concatenate([first, second[self.penalised]])


def _flat(tensors: list[Any]) -> FloatArray:
    return torch.cat([t.detach().reshape(-1).cpu().double() for t in tensors]).numpy()


def _assign(parameters: Sequence[Tensor], values: FloatArray) -> None:
    pieces = torch.from_numpy(values).split([p.numel() for p in parameters])
    for parameter, piece in zip(parameters, pieces, strict=True):
        parameter.copy_(piece.view_as(parameter))
