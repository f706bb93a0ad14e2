"""Splits from plain columns: features, labels, and whatever else is known of each example."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from src.datasets.base import Thinning, random_split
from src.datasets.inputs import ArrayInputs
from src.errors import UserError
from src.seeding import numpy_stream
from src.task import IntArray, Split, Splits

PARTS = ("train", "val", "test")
COLUMNS = ("y", "y_observed", "domain", "weight", "split")


@dataclass(frozen=True)
class Columns:
    """The columns of one file, each (n,) but X; only X and y must be there."""

    where: str
    X: npt.NDArray[Any]
    y: npt.NDArray[Any]
    y_observed: npt.NDArray[Any] | None = None
    domain: npt.NDArray[Any] | None = None
    weight: npt.NDArray[Any] | None = None
    split: npt.NDArray[Any] | None = None


def check_finite(where: str, name: str, values: npt.NDArray[Any]) -> None:
    """Raises UserError with the first row that is not a finite number."""
    if values.dtype.kind == "f":
        bad = np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))
        if len(bad):
            raise UserError(
                f"{where}: {name} is not a finite number in row {bad[0]} ({len(bad)} such rows); remove or fill them"
            )


def features(where: str, name: str, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """uint8 or float32 with one row an example; pictures (n, h, w) get a channel axis. Raises UserError."""
    if values.dtype.kind not in "biuf" or values.ndim < 2 or values.ndim > 4:
        raise UserError(
            f"{where}: {name} must hold numbers of shape (n, d), (n, h, w) or (n, c, h, w), not {values.dtype} {values.shape}"
        )
    if not values.size:
        raise UserError(f"{where}: {name} is empty: its shape is {values.shape}")
    with np.errstate(over="ignore"):
        values = values if values.dtype == np.uint8 else values.astype(np.float32)
    check_finite(where, name, values)
    return values[:, None] if values.ndim == 3 else values


def class_indices(where: str, name: str, values: npt.NDArray[Any]) -> IntArray:
    """Labels as int64. Raises UserError for labels that are not whole numbers from 0 on."""
    if values.dtype.kind not in "biuf":
        raise UserError(f"{where}: {name} must hold whole numbers, not {values.dtype}")
    n = len(values)
    bad = np.flatnonzero(~np.isfinite(values) | (values != np.floor(values)) | (values < 0) | (values >= n))
    if len(bad):
        raise UserError(
            f"{where}: {name} is {values[bad[0]]} in row {bad[0]}; labels are whole numbers from 0 on, without gaps"
        )
    return values.astype(np.int64)


def splits_of(
    columns: Columns,
    inputs: ArrayInputs,
    *,
    class_names: tuple[str, ...] | None,
    target_labels: bool,
    thinning: Thinning,
    val_fraction: float,
    test_fraction: float,
    seed: int,
    fingerprint: str,
    right: bool = True,
    notes: tuple[str, ...] = (),
) -> Splits:
    """Splits by the file's own split column, or at random, stratified by class and domain.

    Examples of any domain but the first are labelled only with `target_labels`; the test part always is.
    """
    where, n = columns.where, len(columns.X)
    checked: dict[str, Any] = {name: _column(columns, name) for name in COLUMNS}
    columns = replace(columns, **checked)
    clean = class_indices(where, "y", columns.y)
    observed = clean if columns.y_observed is None else class_indices(where, "y_observed", columns.y_observed)
    domain, domain_names = _domains(where, columns.domain, n)
    part = _parts(columns, clean, domain, val_fraction, test_fraction, seed)
    labels = np.where(part == PARTS.index("test"), clean, observed)
    num_classes = len(class_names) if class_names else int(max(clean.max(), observed.max())) + 1
    labelled = (domain == 0) | target_labels | (part == PARTS.index("test"))
    everything = Split(inputs, np.arange(n), labels, clean, domain, _weights(where, columns.weight, n), labelled,
                       {"row": np.arange(n)})  # fmt: skip
    train, val, test = (everything.select(part == position) for position in range(3))
    present = np.bincount(train.labels[train.labelled], minlength=num_classes)
    names = class_names or tuple(str(c) for c in range(num_classes))
    if num_classes < 2:
        raise UserError(f"{where}: all labels are '{names[0]}'; at least two classes are needed")
    if not present.all():
        raise UserError(
            f"{where}: the training part has no labelled example of class '{names[int(np.argmin(present))]}'"
        )
    if not len(val) or not val.labelled.any() or not len(test):
        raise UserError(f"{where}: the validation or the test part has no labelled example")
    right = right and bool((train.labels == train.clean)[train.labelled].all())
    train, clean_set = thinning.apply(train, num_classes, seed)
    return Splits(train, val, test, names, domain_names, clean_set, right=right, fingerprint=fingerprint, notes=notes)


def _column(columns: Columns, name: str) -> npt.NDArray[Any] | None:
    """One value for each example; a column of shape (n, 1) will do."""
    values: npt.NDArray[Any] | None = getattr(columns, name)
    n = len(columns.X)
    if values is None or values.shape == (n,):
        return values
    if values.shape != (n, 1):
        raise UserError(f"{columns.where}: {name} has the shape {values.shape}, but X has {n} rows")
    return values[:, 0]


def _domains(where: str, column: npt.NDArray[Any] | None, n: int) -> tuple[IntArray, tuple[str, ...]]:
    """Domain numbers and names; 0, the first in order, is the source."""
    if column is None:
        return np.zeros(n, dtype=np.int64), ("all",)
    check_finite(where, "domain", column)
    names, domain = np.unique(column, return_inverse=True)
    return domain.astype(np.int64), tuple(str(name) for name in names)


def _weights(where: str, column: npt.NDArray[Any] | None, n: int) -> npt.NDArray[np.float64]:
    if column is None:
        return np.ones(n)
    check_finite(where, "weight", column)
    if column.dtype.kind not in "biuf" or (column < 0).any():
        raise UserError(f"{where}: weight must hold numbers from 0 on")
    return column.astype(np.float64)


def _parts(columns: Columns, clean: IntArray, domain: IntArray, val: float, test: float, seed: int) -> IntArray:
    """0 train, 1 val, 2 test for each example."""
    rng = numpy_stream(seed, "data")
    stratum = clean * (domain.max() + 1) + domain
    if columns.split is None:
        part = np.zeros(len(clean), dtype=np.int64)
        for position, rows in enumerate(random_split(stratum, [1 - val - test, val], rng)):
            part[rows] = position
        return part
    numbers: Mapping[Any, int] = {**{name: i for i, name in enumerate(PARTS)}, **{i: i for i in range(3)}}
    values = columns.split.tolist()
    unknown = [(row, value) for row, value in enumerate(values) if value not in numbers]
    if unknown:
        row, value = unknown[0]
        raise UserError(f"{columns.where}: split is {value!r} in row {row}; give train, val or test (or 0, 1, 2)")
    part = np.array([numbers[value] for value in values], dtype=np.int64)
    if not (part == 1).any():
        learn = np.flatnonzero(part == 0)
        _, taken = random_split(stratum[learn], [1 - val], rng)
        part[learn[taken]] = 1
    return part
