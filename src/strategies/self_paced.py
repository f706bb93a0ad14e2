"""Self-paced learning (Kumar 2010): easy examples first, harder ones as training goes on."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Gt, Le
from torch import Tensor

from src.component import Dropout
from src.models.base import Model
from src.strategies.base import Strategy
from src.strategies.selection import easiest, loss_of
from src.task import Batch


class SelfPaced(Strategy):
    """The mean of the criterion over the share of each batch whose observed labels look most probable.

    An example counts 1 or 0, as its loss lies below a threshold or not (Kumar 2010). The paper raises the
    threshold 1/K by a constant factor until all examples are in; here it is the batch's quantile, which has no scale:

        share = start + (end - start) · min((progress - warm_up) / ramp, 1)

    and 1 before `warm_up`: like the paper, it starts from a model of all examples, since what an untrained one finds
    easy is chance, and it would learn just that. `end` below 1 leaves the hardest out for good, wrong labels among
    them. `stratify` takes the same share of each observed class, since rare classes have large losses (Jiang 2014 takes
    from several groups for diversity). The order goes by -log p of the label, learning by the criterion. `kept` is the
    share that taught, `all` the loss over the whole batch.
    """

    changes = chooses = True

    def __init__(
        self,
        *,
        start: Annotated[float, Gt(0), Le(1)] = 0.5,
        end: Annotated[float, Gt(0), Le(1)] = 1.0,
        ramp: Annotated[float, Gt(0), Le(1)] = 0.5,
        warm_up: Dropout = 0.1,
        stratify: bool = False,
    ) -> None:
        super().__init__()
        if end < start:
            raise ValueError(f"end={end} is below start={start}: the share grows; give end at least {start}")
        self.start, self.end, self.ramp = start, end, ramp
        self.warm_up, self.stratify = warm_up, stratify

    def share(self, progress: float) -> float:
        """The share of a batch that is learned from."""
        if progress < self.warm_up:
            return 1.0
        return self.start + (self.end - self.start) * min((progress - self.warm_up) / self.ramp, 1.0)

    def loss(
        self, model: Model, source: Batch, target: Batch | None, clean: Batch | None, progress: float
    ) -> dict[str, Tensor]:
        log_probs = model(source.x).log_softmax(dim=1)
        kept = easiest(log_probs, source.y, self.share(progress), self.stratify)
        return loss_of(kept, self.criterion(log_probs, source.y))
