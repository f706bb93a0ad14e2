"""What a dataset is, and the steps that most of them share: keep some classes, split, subsample, induce imbalance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from src.component import Component
from src.errors import UserError
from src.seeding import numpy_stream
from src.task import Inputs, IntArray, Split, Splits, class_counts


@dataclass(frozen=True)
class Unlabelled:
    """Examples to be scored: their inputs and the columns that name them."""

    inputs: Inputs
    keys: dict[str, npt.NDArray[Any]] = field(default_factory=dict)


class Dataset(Component):
    """Where examples come from."""

    domains: ClassVar[int | None] = 1
    """How many domains it has; None if only the files tell."""

    learned: dict[str, Any] = {}  # noqa: RUF012 (replaced, never changed)
    """What `read` must know of the training data (a table's means, say); set by `splits`, stored with the run."""

    def splits(self, data_root: Path, cache_root: Path, seed: int) -> Splits:
        """Read (or simulate) and split. Nothing is written into data_root.

        Raises UserError for missing, unreadable or inconsistent files, naming the path and the remedy.
        """
        raise NotImplementedError

    def read(self, path: Path, cache_root: Path) -> Unlabelled:
        """New files of the same schema, without labels, in file order, scaled as in training.

        Raises UserError if the schema does not match.
        """
        raise UserError(f"{path}: dataset={type(self).__module__.rpartition('.')[2]} cannot read files without labels")


@dataclass(frozen=True)
class Thinning:
    """How to thin a training split: to a size, to counts per class, or to an imbalance ratio.

    `ratio` = largest : smallest class; counts fall exponentially from the first class to the last (Cui 2019), which for
    two classes is a step.
    """

    size: int | None = None
    counts: Sequence[int] | None = None
    ratio: float | None = None

    def __post_init__(self) -> None:
        if self.counts is not None and self.ratio is not None:
            raise ValueError("class_counts and imbalance_ratio are both set: give one of them")
        if self.ratio is not None and self.ratio < 1:
            raise ValueError(f"imbalance_ratio={self.ratio}: largest : smallest class, at least 1")

    def apply(self, split: Split, num_classes: int, seed: int) -> Split:
        """Thin the source domain's examples at random; other domains stay as they are.

        Raises UserError if more examples of a class are asked for than there are.
        """
        if self.size is None and self.counts is None and self.ratio is None:
            return split
        rng = numpy_stream(seed, "subsample")
        source, other = np.flatnonzero(split.domain == 0), np.flatnonzero(split.domain != 0)
        if self.size is not None:
            if self.size > len(source):
                raise UserError(f"dataset.train_size={self.size}, but the training split has {len(source)} examples")
            source = rng.permutation(source)[: self.size]
        have = class_counts(split.clean[source], num_classes)
        if not have.all():
            raise UserError(f"dataset.train_size={self.size} leaves no example of class {np.argmin(have)}; keep more")
        want = self._wanted(have)
        chosen = [rng.permutation(source[split.clean[source] == c])[: want[c]] for c in range(num_classes)]
        return split.select(np.sort(np.concatenate([*chosen, other])))

    def _wanted(self, have: IntArray) -> IntArray:
        if self.ratio is not None:
            exponent = -np.arange(len(have)) / max(len(have) - 1, 1)
            profile = np.power(float(self.ratio), exponent)
            return np.maximum(1, np.floor(np.min(have / profile) * profile + 1e-9)).astype(np.int64)
        if self.counts is None:
            return have
        if len(self.counts) != len(have):
            raise UserError(f"dataset.class_counts has {len(self.counts)} entries for {len(have)} classes")
        want = np.asarray(self.counts, dtype=np.int64)
        if (want > have).any():
            raise UserError(
                f"dataset.class_counts={want.tolist()}, but there are {have.tolist()} training examples per class"
            )
        return want


def random_split(labels: IntArray, fractions: Sequence[float], rng: np.random.Generator) -> list[IntArray]:
    """Disjoint, sorted row sets with the given fractions of every class (stratified); the last takes the rest.

    `fractions` lists all parts but the last. A class that has at least as many members as there are parts is in each.
    """
    parts: list[list[IntArray]] = [[] for _ in range(len(fractions) + 1)]
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        cuts = np.rint(np.cumsum(fractions) * len(members)).astype(int)
        if len(members) >= len(parts):
            low = np.arange(1, len(parts))
            cuts = np.maximum.accumulate(np.maximum(cuts, low) - low) + low
            cuts = np.minimum(cuts, len(members) - low[::-1])
        for part, chunk in zip(parts, np.split(members, cuts), strict=True):
            part.append(chunk)
    return [np.sort(np.concatenate(part)).astype(np.int64) for part in parts]


def fractions_ok(val: float, test: float) -> None:
    """Raises ValueError if nothing is left for training."""
    if val + test >= 1:
        raise ValueError(f"val_fraction={val} and test_fraction={test} leave nothing for training")


def keep_classes(
    labels: IntArray, names: Sequence[str], classes: Sequence[int] | None
) -> tuple[IntArray, IntArray, tuple[str, ...]]:
    """Rows of the chosen classes, their labels renumbered in the given order, and the names that remain.

    Raises UserError for a class that does not exist, a repetition, or fewer than two classes.
    """
    if classes is None:
        return np.arange(len(labels)), labels, tuple(names)
    unknown = [c for c in classes if not 0 <= c < len(names)]
    if unknown or len(set(classes)) != len(classes) or len(classes) < 2:
        last = len(names) - 1
        raise UserError(f"dataset.classes={list(classes)}: give at least two different classes from 0 to {last}")
    new = np.full(len(names), -1, dtype=np.int64)
    new[list(classes)] = np.arange(len(classes))
    rows = np.flatnonzero(new[labels] >= 0)
    return rows, new[labels[rows]], tuple(names[c] for c in classes)


def whole(inputs: Inputs, labels: IntArray, rows: IntArray | None = None) -> Split:
    """All rows of the inputs (or those given) as one labelled split of one domain, every weight 1."""
    n = len(labels)
    rows = np.arange(n) if rows is None else rows
    return Split(inputs, rows, labels, labels, np.zeros(n, np.int64), np.ones(n), np.ones(n, dtype=bool))
