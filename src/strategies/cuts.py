"""A rectangular selection on measured quantities, the method that the alpha-decay study's network was compared with."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from annotated_types import Gt, Le
from torch import Tensor

from src.component import OpenFraction
from src.errors import UserError
from src.inference import vectors
from src.models.base import Model
from src.strategies.base import Criterion, Predictor, Strategy
from src.task import BoolArray, FloatArray, Split, Task

if TYPE_CHECKING:
    from src.training import Trainer

log = logging.getLogger("src")

FEWEST = 10
"""Positives below which no further cut is searched: their share would say nothing."""


class Cut(NamedTuple):
    """Keep x[feature] · side ≥ value; side is 1 for a lower bound and -1 for an upper one."""

    feature: int
    side: int
    value: float
    positives: int
    """That all cuts so far keep."""
    negatives: int


class Cuts(Strategy):
    """lower ≤ x ≤ upper, with bounds found by peeling (PRIM: Friedman & Fisher 1999); takes vectors.

    Of two classes the rarer one is selected (the second, if they are alike), of more each against the rest. Cuts are
    made one after the other: each drops about `peel` of what is left, where that costs fewest positives. The selection
    that is used is the purest of those that keep `recall` of the training positives. An example's score is the share of
    training positives in the tightest selection that keeps it, its odds scaled so that the used one begins above a
    probability of 1/2. The model, the optimizer and augmentation are not used.
    """

    ignores_balance = True

    def __init__(self, *, recall: Annotated[float, Gt(0), Le(1)] = 0.788, peel: OpenFraction = 0.05) -> None:
        super().__init__()
        self.recall, self.peel = recall, peel

    def setup(self, task: Task, model: Model, criterion: Criterion) -> None:
        super().setup(task, model, criterion)
        if task.input_kind != "vector":
            raise UserError(
                f"strategy=cuts selects on measured quantities, and these examples are {task.input_kind}s; use a dataset "
                "of vectors (table, arrays), or dataset=emulsion dataset.inputs=tracks"
            )
        self.names = task.class_names
        self.selected = _selected(task)
        self.selections = Selections.of([[] for _ in self.selected], [(1, 1)] * len(self.selected), self.recall)

    def fit(self, task: Task, model: Model, trainer: Trainer) -> Predictor:
        return trainer.follow(Predictor(model, self), self._epoch(trainer))

    def _epoch(self, trainer: Trainer) -> Iterator[dict[str, float]]:
        """All of the training, as one epoch."""
        split = trainer.train
        x = vectors(split.inputs, split.rows)
        chains, totals = [], []
        for c in self.selected:
            positive = split.labels == c
            chains.append(peeled(x, positive, self.recall, self.peel))
            totals.append((int(positive.sum()), int((~positive).sum())))
        self.selections = Selections.of(chains, totals, self.recall).to(trainer.device)
        yield {"train/cuts": float(sum(map(len, chains)))}

    def scores(self, model: Model, x: Any) -> Tensor:
        odds = self.selections.to(x.device).odds(x.flatten(1).float())
        p = odds / (1 + odds)
        if len(self.names) == 2:
            both = [1 - p, p] if self.selected == (1,) else [p, 1 - p]
            return torch.cat(both, dim=1)
        return p / p.sum(dim=1, keepdim=True)

    def class_mix(self, seen: FloatArray) -> FloatArray | None:
        if len(self.names) != 2:
            return None
        scaled = seen.astype(np.float64)
        scaled[self.selected[0]] /= float(self.selections.scale[0])
        return scaled

    def facts(self, train: Split, folder: Path) -> dict[str, float]:
        """The used selections: what they keep of the training examples, and their bounds."""
        features = getattr(train.inputs, "names", ()) or [str(i) for i in range(train.inputs.shape[0])]
        x = vectors(train.inputs, train.rows)
        found: dict[str, float] = {}
        for c, bounds in zip(self.selected, self.selections.used(), strict=True):
            name, kept, positive = self.names[c], inside(x, bounds), train.labels == c
            hits = float((kept & positive).sum())
            found[f"cuts/{name}.recall"] = hits / max(1, int(positive.sum()))
            found[f"cuts/{name}.precision"] = hits / max(1, int(kept.sum()))
            for (feature, side), value in sorted(bounds.items()):
                found[f"cuts/{name}.{features[feature]}.{'lower' if side > 0 else 'upper'}"] = value
            log.info("selected as %s: %s", name, _sentence(features, bounds))
        return found

    def get_extra_state(self) -> dict[str, Any]:
        return dict(vars(self.selections))

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.selections = Selections(**state)


def _selected(task: Task) -> tuple[int, ...]:
    if task.num_classes > 2:
        return tuple(range(task.num_classes))
    return (0,) if task.class_counts and task.class_counts[0] < task.class_counts[1] else (1,)


Bounds = dict[tuple[int, int], float]
"""(feature, side) → bound."""


@dataclass(frozen=True)
class Selections:
    """A chain of cuts for each selected class, padded to the length of the longest with cuts that keep everything."""

    feature: Tensor
    """(S, K)."""
    side: Tensor
    """(S, K)."""
    value: Tensor
    """(S, K) float32."""
    ratio: Tensor
    """(S, K + 1): positives over negatives, plus 1/2 each, after so many cuts; never falling."""
    scale: Tensor
    """(S,): what the odds are divided by."""
    used_cuts: Tensor
    """(S,): how many cuts make the used selection."""

    @classmethod
    def of(cls, chains: Sequence[Sequence[Cut]], totals: Sequence[tuple[int, int]], recall: float) -> Selections:
        """From the chains, and the (positives, negatives) before any cut."""
        longest = max(map(len, chains))
        free = Cut(0, 1, -np.inf, 0, 0)
        rows = [[*chain, *[free] * (longest - len(chain))] for chain in chains]
        columns = ([[getattr(cut, name) for cut in row] for row in rows] for name in ("feature", "side", "value"))
        feature, side, value = (np.array(column).reshape(len(chains), longest) for column in columns)
        points = [_working_point(chain, total, recall) for chain, total in zip(chains, totals, strict=True)]
        ratio = [np.pad(r, (0, longest + 1 - len(r)), mode="edge") for r, _, _ in points]
        return cls(
            torch.from_numpy(feature.astype(np.int64)), torch.from_numpy(side.astype(np.float32)),
            torch.from_numpy(value.astype(np.float32)), torch.from_numpy(np.stack(ratio).astype(np.float32)),
            torch.tensor([scale for _, scale, _ in points]), torch.tensor([used for _, _, used in points]),
        )  # fmt: skip

    def to(self, device: torch.device) -> Selections:
        moved: Any = {name: tensor.to(device) for name, tensor in vars(self).items()}
        return replace(self, **moved)

    def odds(self, x: Tensor) -> Tensor:
        """(B, S) from features (B, d): above 1 inside the used selections."""
        passed = x[:, self.feature] * self.side >= self.value
        depth = passed.to(torch.int64).cumprod(dim=2).sum(dim=2)
        return self.ratio.expand(x.shape[0], -1, -1).gather(2, depth[:, :, None]).squeeze(2) / self.scale

    def used(self) -> list[Bounds]:
        """The bounds of each used selection: of the cuts at one side of a feature, the last is the tightest."""
        columns = (self.feature.tolist(), self.side.tolist(), self.value.tolist(), self.used_cuts.tolist())
        return [
            {(f, int(s)): s * v for f, s, v in zip(feature[:n], side[:n], value[:n], strict=True)}
            for feature, side, value, n in zip(*columns, strict=True)
        ]


def _working_point(chain: Sequence[Cut], total: tuple[int, int], recall: float) -> tuple[FloatArray, float, int]:
    """(ratio after each number of cuts, scale, number of cuts of the purest selection with at least that recall)."""
    kept = np.array([total, *((cut.positives, cut.negatives) for cut in chain)], dtype=np.float64)
    ratio: FloatArray = np.maximum.accumulate((kept[:, 0] + 0.5) / (kept[:, 1] + 0.5))
    if not total[0]:
        return ratio, 1.0, 0
    used = int(np.argmax(np.where(kept[:, 0] >= recall * total[0], ratio, 0)))
    before = ratio[used - 1] if used else ratio[used] / 4
    return ratio, float(np.sqrt(before * ratio[used])), used


def peeled(x: npt.NDArray[np.float32], positive: BoolArray, recall: float, share: float) -> list[Cut]:
    """Nested cuts on features (n, d), each where it drops most negatives for a positive.

    As long as any cut leaves `recall` of the positives, one of these is made, and then others until FEWEST are left.
    """
    left, cuts = np.arange(len(x)), list[Cut]()
    asked = max(1.0, recall * positive.sum())
    for least in (asked, min(asked, FEWEST)):
        while best := max(_peels(x[left], positive[left], share, least), default=None):
            _, feature, side, value = best
            left = left[x[left, feature] * side >= value]
            hits = int(positive[left].sum())
            cuts.append(Cut(feature, side, value, hits, len(left) - hits))
    return cuts


def _peels(
    x: npt.NDArray[np.float32], positive: BoolArray, share: float, least: float
) -> Iterator[tuple[float, int, int, float]]:
    """(negatives lost for a positive, feature, side, value) of the cuts that lose a negative and keep enough positives."""
    rank = max(1, int(share * len(x)))
    hits = positive.sum()
    for feature in range(x.shape[1] if hits < len(x) else 0):
        for side in (1, -1):
            along = x[:, feature] * side
            value = _smallest_kept(along, rank)
            dropped = along < value
            lost = int((dropped & positive).sum())
            misses = int(dropped.sum()) - lost
            if misses and hits - lost >= least:
                yield (misses + 0.5) / (lost + 0.5), feature, side, _between(along[dropped].max(), value)


def _smallest_kept(along: npt.NDArray[np.float32], rank: int) -> np.float32:
    """The value of that rank; if none is below it, the next larger one."""
    value = np.partition(along, min(rank, len(along) - 1))[min(rank, len(along) - 1)]
    above = along[along > value]
    return value if (along < value).any() or not len(above) else above.min()


def _between(dropped: np.float32, kept: np.float32) -> float:
    """The middle in single precision, or the kept value where rounding leaves none."""
    middle = np.float32(0.5) * dropped + np.float32(0.5) * kept
    return float(middle if dropped < middle <= kept else kept)


def inside(x: npt.NDArray[np.float32], bounds: Bounds) -> BoolArray:
    """Which rows (n, d) all bounds keep."""
    keep = np.ones(len(x), dtype=bool)
    for (feature, side), value in bounds.items():
        keep &= x[:, feature] * side >= np.float32(side * value)
    return keep


def _sentence(features: Sequence[str], bounds: Bounds) -> str:
    signs = {1: "≥", -1: "≤"}
    parts = [f"{features[f]} {signs[side]} {value:.4g}" for (f, side), value in sorted(bounds.items())]
    return ", ".join(parts) or "everything"
