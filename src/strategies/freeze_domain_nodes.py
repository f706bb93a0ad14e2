"""Cut out what tells domains apart: nodes of the last hidden layer, as the 2020 NOvA robustness study proposes."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from src.component import OpenFraction, PositiveInt
from src.errors import UserError
from src.inference import BATCH
from src.loading import Loader
from src.models.base import Model
from src.seeding import numpy_stream
from src.strategies.base import Criterion, Predictor
from src.strategies.two_domains import TwoDomains, teachers
from src.task import Batch, FloatArray, Split, Task

if TYPE_CHECKING:
    from src.training import Trainer

log = logging.getLogger("src")

Floats = npt.NDArray[np.float32]


class FreezeDomainNodes(TwoDomains):
    """Plain training, from whose last layer the nodes that separate the domains most are cut after `warm_up` of it.

    At the end of the epoch in which `warm_up` is reached, a node's separation is |AUC - 1/2| of its activation between
    training examples of the source and of the target; no class label of the target is read, so that where the domains'
    class mixes differ, nodes that tell classes apart count as well. `share` of the live nodes, those whose activation is
    not always the same, is multiplied by 0 from then on, in training and for new examples, and the training goes on
    without them. The nodes are what the last layer sees: `penultimate`.
    """

    changes = adapts_late = True

    mask: Tensor
    """0 for the nodes that are cut, (width,)."""
    separation: Tensor
    """Of each node when they were cut, (width,); NaN for dead nodes, and before."""

    def __init__(self, *, warm_up: OpenFraction = 0.5, share: OpenFraction = 0.1, examples: PositiveInt = 2000) -> None:
        super().__init__()
        self.warm_up, self.share, self.examples = warm_up, share, examples

    def setup(self, task: Task, model: Model, criterion: Criterion) -> None:
        super().setup(task, model, criterion)
        weight = next(model.head.parameters(), None)
        if weight is None:
            raise UserError(
                f"{self.name} cuts nodes that the last layer sees, and this model has none: add 'event' to model.heads"
            )
        width = weight.shape[1]
        self.register_buffer("mask", torch.ones(width))
        self.register_buffer("separation", torch.full((width,), torch.nan))

    def embedding(self, model: Model, x: Any) -> Tensor:
        """The penultimate activations, (B, width), 0 where nodes are cut."""
        return model.penultimate(model.features(x)) * self.mask

    def logits(self, model: Model, x: Any) -> Tensor:
        """(B, C), without the nodes that are cut."""
        logits: Tensor = model.head(self.embedding(model, x))
        return logits

    def loss(
        self, model: Model, source: Batch, target: Batch | None, clean: Batch | None, progress: float
    ) -> dict[str, Tensor]:
        taught = teachers(source, target)
        return {"total": self.class_loss(self.logits(model, taught.x), taught)}

    def fit(self, task: Task, model: Model, trainer: Trainer) -> Predictor:
        self.require_target(trainer)

        def after_epoch() -> None:
            reached = trainer.progress.step >= self.warm_up * trainer.total_steps
            if reached and bool(self.separation.isnan().all()):
                self.cut(model, trainer)

        return trainer.minimise(model, self, after_epoch)

    def cut(self, model: Model, trainer: Trainer) -> None:
        """Find the nodes and mask them."""
        assert trainer.target is not None
        model.eval()
        rng = numpy_stream(trainer.seed, "domain nodes")
        source, w = self._activations(model, trainer.source, rng)
        target, v = self._activations(model, trainer.target, rng)
        found = separations(source, target, w, v)
        live = int(np.isfinite(found).sum())
        count = int(self.share * live + 1e-9)  # never all
        worst = np.argsort(-np.nan_to_num(found, nan=-1), kind="stable")[:count]
        self.separation.copy_(torch.from_numpy(found))
        self.mask[torch.from_numpy(worst).to(self.mask.device)] = 0
        log.info("%d of %d live nodes are cut, |AUC - 1/2| up to %.3f", count, live, np.nanmax(found, initial=0))

    @torch.inference_mode()
    def _activations(self, model: Model, loader: Loader, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Of up to `examples` random examples, (n, width); and their weights, (n,)."""
        chosen = torch.from_numpy(rng.permutation(loader.size)[: self.examples])
        batches = (loader.batch(piece) for piece in chosen.split(BATCH))
        parts = [(model.penultimate(model.features(batch.x)), batch.weight) for batch in batches]
        found, weight = (torch.cat(column).float().cpu().numpy() for column in zip(*parts, strict=True))
        return found, weight

    def facts(self, train: Split, folder: Path) -> dict[str, float]:
        """How many nodes were cut, and the live ones' mean separation with them and without."""
        found, kept = self.separation.cpu().numpy(), self.mask.cpu().numpy() > 0
        live = np.isfinite(found)
        if not live.any():
            return {}
        return {
            "domain_nodes/cut": float((~kept).sum()),
            "domain_nodes/live": float(live.sum()),
            "domain_nodes/separation": float(found[live].mean()),
            "domain_nodes/separation_kept": float(found[live & kept].mean()),
        }


def separations(source: Floats, target: Floats, w: Floats, v: Floats) -> FloatArray:
    """|AUC - 1/2| of each column between (n, d) and (m, d) with weights (n,) and (m,), ties half; from 0 to 1/2.

    NaN for a column of one value.
    """
    found = np.full(source.shape[1], np.nan)
    for node, (a, b) in enumerate(zip(source.T, target.T, strict=True)):
        order = np.argsort(b, kind="stable")
        sums = np.append(0.0, np.cumsum(v[order], dtype=np.float64))
        below, at_most = (sums[np.searchsorted(b[order], a, side)] for side in ("left", "right"))
        if np.ptp(np.append(a, b)):
            found[node] = abs(w @ (below + at_most) / 2 / (w.sum() * v.sum()) - 0.5)
    return found
