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

    def splits(self, data_root: Path, cache_root: Path, seed: int) -> Splits:
        """Read (or simulate) and split. Nothing is written into data_root.

        Raises UserError for missing, unreadable or inconsistent files, naming the path and the remedy.
        """
        raise NotImplementedError

    def read(self, path: Path, cache_root: Path) -> Unlabelled:
        """New files of the same schema, without labels, in file order, scaled as in training.

        Raises UserError if the schema does not match.
        """
        raise NotImplementedError


def random_split(labels: IntArray, fractions: Sequence[float], rng: np.random.Generator) -> list[IntArray]:
    """Disjoint, sorted row sets with the given fractions of every class (stratified); the last takes the rest.

    `fractions` lists all parts but the last. Within a class the order is random and cuts are rounded, so a class with
    at least as many members as there are parts is in each part of nonzero fraction whenever rounding allows.
    """
    parts: list[list[IntArray]] = [[] for _ in range(len(fractions) + 1)]
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        cuts = np.rint(np.cumsum(fractions) * len(members)).astype(int)
        for part, chunk in zip(parts, np.split(members, cuts), strict=True):
            part.append(chunk)
    return [np.sort(np.concatenate(part)).astype(np.int64) for part in parts]


def keep_classes(labels: IntArray, names: Sequence[str], classes: Sequence[int] | None) -> tuple[IntArray, IntArray, tuple[str, ...]]:
    """Rows of the chosen classes, their labels renumbered in the given order, and the names that remain.

    Raises UserError for a class that does not exist, a repetition, or fewer than two classes.
    """
    if classes is None:
        return np.arange(len(labels)), labels, tuple(names)
    unknown = [c for c in classes if not 0 <= c < len(names)]
    if unknown or len(set(classes)) != len(classes) or len(classes) < 2:
        raise UserError(f"dataset.classes={list(classes)}: give at least two different classes from 0 to {len(names) - 1}")
    new = np.full(len(names), -1, dtype=np.int64)
    new[list(classes)] = np.arange(len(classes))
    rows = np.flatnonzero(new[labels] >= 0)
    return rows, new[labels[rows]], tuple(names[c] for c in classes)


def thin(split: Split, num_classes: int, seed: int, size: int | None, counts: Sequence[int] | None, ratio: float | None) -> Split:
    """Subsample a training split at random: to a size, to counts per class, or to a step or exponential imbalance.

    `ratio` = largest : smallest class; counts fall exponentially from the first class to the last (for two classes this
    is the step profile). `counts` and `ratio` exclude each other. Rows of other domains than the source are kept.
    Raises UserError if more examples of a class are asked for than there are.
    """
    if counts is not None and ratio is not None:
        raise UserError("dataset.class_counts and dataset.imbalance_ratio both set: give one of them")
    if size is None and counts is None and ratio is None:
        return split
    rng = numpy_stream(seed, "subsample")
    source, other = np.flatnonzero(split.domain == 0), np.flatnonzero(split.domain != 0)
    have = class_counts(split.clean[source], num_classes)
    if size is not None:
        if size > len(source):
            raise UserError(f"dataset.train_size={size}, but the training split has {len(source)} examples")
        source = rng.permutation(source)[:size]
        have = class_counts(split.clean[source], num_classes)
    want = have
    if ratio is not None:
        exponent = -np.arange(num_classes) / max(num_classes - 1, 1)
        want = np.maximum(1, (have.min() * np.power(ratio, exponent)).astype(np.int64))
    elif counts is not None:
        want = np.asarray(counts, dtype=np.int64)
        if len(want) != num_classes:
            raise UserError(f"dataset.class_counts has {len(want)} entries for {num_classes} classes")
    if (want > have).any():
        raise UserError(f"dataset.class_counts={want.tolist()}, but the training split has {have.tolist()} examples per class")
    chosen = [rng.permutation(source[split.clean[source] == c])[: want[c]] for c in range(num_classes)]
    return split.select(np.sort(np.concatenate([*chosen, other])))
