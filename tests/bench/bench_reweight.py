"""What a step costs that looks at clean examples, relative to a plain one: LeNet, 100 pictures and 10 clean ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call

from src.models.base import Model
from src.strategies.base import Strategy, negative_log_likelihood
from src.strategies.erm import ERM
from src.strategies.meta_weight_net import MetaWeightNet
from src.strategies.reweight import Reweight
from src.task import Batch
from tests.bench.bench_label_noise import TASK, lenet, pictures
from tests.bench.bench_training import epoch_of
from tests.bench.table import Row, paired_ratios

BATCH, CLEAN, STEPS, N = 100, 10, 12, 9
COUNTED = replace(TASK, class_counts=(BATCH * STEPS, 0, 0))


class DoubleBackward(Reweight):
    """The paper's own way: differentiate through a virtual step."""

    def losses_and_alignment(self, model: Model, source: Batch, clean: Batch) -> tuple[Tensor, Tensor]:
        now = dict(model.named_parameters())
        weight = torch.zeros(len(source), requires_grad=True)
        losses = negative_log_likelihood(model(source.x).log_softmax(dim=1), source.y)
        step = torch.autograd.grad((weight * losses).sum(), [*now.values()], create_graph=True)
        virtual = {name: p - g for (name, p), g in zip(now.items(), step, strict=True)}
        after: Tensor = functional_call(model, virtual, (clean.x,))
        loss = negative_log_likelihood(after.log_softmax(dim=1), clean.y).mean()
        alignment = -torch.autograd.grad(loss, weight)[0]
        return negative_log_likelihood(model(source.x).log_softmax(dim=1), source.y), alignment


def rows() -> Iterator[Row]:
    yield from steps(threads=1, reweight=2.3, meta_weight_net=2.6)
    yield from steps(threads=2, reweight=None, meta_weight_net=None)


def steps(threads: int, reweight: float | None, meta_weight_net: float | None) -> Iterator[Row]:
    split = pictures(BATCH * STEPS)
    clean = split.select(np.arange(CLEAN))
    for strategy, limit in ((Reweight(), reweight), (DoubleBackward(), None), (MetaWeightNet(), meta_weight_net)):
        ratios = paired_ratios(
            epoch_of(strategy, split, None, lenet, COUNTED, clean=clean, batch_size=BATCH, threads=threads),
            epoch_of(ERM(), split, None, lenet, COUNTED, batch_size=BATCH, threads=threads),
            N,
        )
        name = "reweight by double backward" if isinstance(strategy, DoubleBackward) else _name(strategy)
        yield Row(f"{name} on lenet, threads: {threads}: cost of a step relative to ERM", ratios, "×", at_most=limit)


def _name(strategy: Strategy) -> str:
    return type(strategy).__module__.rpartition(".")[2]
