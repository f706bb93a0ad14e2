"""What strategies for two domains share: who teaches the classes, and the sentences where there is one domain only."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from src.component import NonNegativeFloat
from src.errors import UserError
from src.models.base import Model
from src.strategies.base import Criterion, Predictor, Strategy, weighted_mean
from src.task import HIDDEN, Batch, Task, joined

if TYPE_CHECKING:
    from src.training import Trainer


class TwoDomains(Strategy):
    """The source teaches the classes, and the target where its labels may be seen; the domains are a subclass's matter.

    Raises UserError if the data set has one domain, or no training example of a second one.
    """

    uses_target = uses_weight = True

    def setup(self, task: Task, model: Model, criterion: Criterion) -> None:
        super().setup(task, model, criterion)
        if task.num_domains < 2:
            raise UserError(f"{self.name} needs a dataset with two domains; this one has only '{task.domain_names[0]}'")

    def fit(self, task: Task, model: Model, trainer: Trainer) -> Predictor:
        self.require_target(trainer)
        return super().fit(task, model, trainer)

    def require_target(self, trainer: Trainer) -> None:
        if trainer.target is None:
            raise UserError(
                f"{self.name}: the training split has no example of a second domain; add some, or use strategy=erm"
            )

    @property
    def name(self) -> str:
        return f"strategy={type(self).__module__.rpartition('.')[2]}"

    def read(self, model: Model, source: Batch, target: Batch | None) -> tuple[Batch, Tensor, Tensor]:
        """Both batches as one, the source first; their features (B, feature_dim); and the class loss."""
        both = joined(source, target)
        features = model.features(both.x)
        known = features if labelled(target) else features[: len(source)]
        return both, features, self.class_loss(model.classify(known), both)

    def class_loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """Of logits (n, C) for the first n examples of the batch; hidden labels are left out."""
        y, weight = batch.y[: len(logits)], batch.weight[: len(logits)]
        log_probs, seen = logits.log_softmax(dim=1), y != HIDDEN
        if not bool(seen.all()):
            log_probs, y, weight = log_probs[seen], y[seen], weight[seen]
        return weighted_mean(self.criterion(log_probs, y), weight)


class Alignment(TwoDomains):
    """Class loss plus scale · a distance between the features of the source's batch and the target's."""

    term: ClassVar[str]
    """The distance's name among the losses."""

    def __init__(self, *, scale: NonNegativeFloat = 1.0) -> None:
        super().__init__()
        self.scale = scale

    def loss(
        self, model: Model, source: Batch, target: Batch | None, clean: Batch | None, progress: float
    ) -> dict[str, Tensor]:
        both, features, class_loss = self.read(model, source, target)
        sizes = [len(source), len(both) - len(source)]
        (x, y), (w, v) = features.split(sizes), both.weight.split(sizes)
        distance = self.distance(x, y, w, v)
        return {"total": class_loss + self.scale * distance, "class": class_loss, self.term: distance}

    def distance(self, x: Tensor, y: Tensor, w: Tensor, v: Tensor) -> Tensor:
        """Of features (n, d) and (m, d) with weights (n,) and (m,); 0 where a batch is too small to tell."""
        raise NotImplementedError


def teachers(source: Batch, target: Batch | None) -> Batch:
    """What is left where the domains do not matter: the source, and the target if any of its labels may be seen."""
    return joined(source, target) if labelled(target) else source


def labelled(batch: Batch | None) -> bool:
    """Whether any of its labels may be seen."""
    return batch is not None and bool((batch.y != HIDDEN).any())
