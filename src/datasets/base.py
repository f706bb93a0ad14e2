"""What a dataset is, and the steps that most of them share: keep some classes, split, subsample, induce imbalance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict  # pydantic takes typing's own only from Python 3.12 on

from src.component import Component, PositiveInt
from src.errors import UserError
from src.seeding import numpy_stream
from src.task import BoolArray, Inputs, IntArray, Split, Splits, class_counts


@dataclass(frozen=True)
class Unlabelled:
    """Examples to be scored: their inputs and the columns that name them."""

    inputs: Inputs
    keys: dict[str, npt.NDArray[Any]] = field(default_factory=dict)


class Dataset(Component):
    """Where examples come from."""

    domains: ClassVar[int | None] = 1
    """How many domains it has; None if only the files tell."""
    ragged: ClassVar[bool] = False
    """Whether its examples differ in size (graphs)."""

    thinning: Thinning

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


@with_config(ConfigDict(extra="forbid"))
class CleanSet(TypedDict):
    """How many examples are set aside with right labels, for methods that learn from some: in all, or of each class."""

    size: PositiveInt | None
    per_class: PositiveInt | None


NO_CLEAN_SET = CleanSet(size=None, per_class=None)
Profile = Literal["exponential", "step"]


@dataclass(frozen=True)
class Thinning:
    """What becomes of a training split: a clean set is taken from it, the rest is thinned.

    To a size, to counts per class, or to an imbalance ratio = largest : smallest class. Counts fall exponentially from
    the first class to the last (Cui 2019), or in one step: the last half of the classes, rounded down, are the rare
    ones (Buda 2018).
    """

    size: int | None = None
    counts: Sequence[int] | None = None
    ratio: float | None = None
    profile: Profile = "exponential"
    clean: CleanSet = field(default_factory=lambda: NO_CLEAN_SET)

    def __post_init__(self) -> None:
        if self.counts is not None and self.ratio is not None:
            raise ValueError("class_counts and imbalance_ratio are both set: give one of them")
        if self.ratio is not None and self.ratio < 1:
            raise ValueError(f"imbalance_ratio={self.ratio}: largest : smallest class, at least 1")
        if self.clean["size"] is not None and self.clean["per_class"] is not None:
            raise ValueError("clean.size and clean.per_class are both set: give one of them")

    @property
    def has_clean_set(self) -> bool:
        return self.clean["size"] is not None or self.clean["per_class"] is not None

    def apply(self, split: Split, num_classes: int, seed: int) -> tuple[Split, Split | None]:
        """(the training split, the clean set if there is one): random examples of the source domain, disjoint.

        Examples of other domains stay as they are in the training split. Raises UserError if more examples of a class
        are asked for than there are.
        """
        taken = self._set_aside(split, num_classes, seed)
        clean = split.select(taken).with_labels(split.clean[taken]) if self.has_clean_set else None
        free = np.ones(len(split), dtype=bool)
        free[taken] = False
        if self.size is None and self.counts is None and self.ratio is None:
            return split.select(free), clean
        rng = numpy_stream(seed, "subsample")
        source, other = np.flatnonzero(split.domain == 0), np.flatnonzero(split.domain != 0)
        if self.size is not None:  # drawn without regard to the clean set, so that its size changes few of them
            source = _only(free, rng.permutation(source))
            if self.size > len(source):
                raise UserError(f"dataset.train_size={self.size}, but the training split has {len(source)} examples")
            source = source[: self.size]
        have = class_counts(split.clean[_only(free, source)], num_classes)
        if not have.all():
            raise UserError(f"dataset.train_size={self.size} leaves no example of class {np.argmin(have)}; keep more")
        want = self._wanted(have)
        chosen = [_only(free, rng.permutation(source[split.clean[source] == c]))[: want[c]] for c in range(num_classes)]
        return split.select(np.sort(np.concatenate([*chosen, other]))), clean

    def _set_aside(self, split: Split, num_classes: int, seed: int) -> IntArray:
        """Positions of the clean set, rising; none if it is not asked for."""
        each, size = self.clean["per_class"], self.clean["size"]
        source = numpy_stream(seed, "clean").permutation(np.flatnonzero(split.domain == 0))
        if each is not None:
            taken = np.concatenate([source[split.clean[source] == c][:each] for c in range(num_classes)])
        else:
            taken = source[: size or 0]
        have, left = (class_counts(split.clean[part], num_classes) for part in (source, np.setdiff1d(source, taken)))
        if self.has_clean_set and (not left.all() or len(taken) < (size or 0)):
            asked = f"size={size}" if each is None else f"per_class={each}"
            raise UserError(
                f"dataset.clean.{asked} leaves too few to learn from: there are {have.tolist()} training examples per class; "
                "ask for fewer"
            )
        return np.sort(taken)

    def _wanted(self, have: IntArray) -> IntArray:
        if self.ratio is not None:
            place = np.arange(len(have))
            if self.profile == "step":
                profile = np.where(place < len(have) - len(have) // 2, 1.0, 1 / self.ratio)
            else:
                profile = np.power(float(self.ratio), -place / max(len(have) - 1, 1))
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


def _only(allowed: BoolArray, positions: IntArray) -> IntArray:
    return positions[allowed[positions]]


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
