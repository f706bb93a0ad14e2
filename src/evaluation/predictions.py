"""What a model said about a split, beside what is true of it; kept as one predictions.npz."""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from src.errors import UserError
from src.evaluation.physics import natural_weight
from src.task import BoolArray, FloatArray, IntArray

KEY = "key."


@dataclass(frozen=True)
class Predictions:
    """Class probabilities (n, C) of a split and its columns, each (n,); the columns are those of `task.Split`.

    Raises ValueError if the lengths differ.
    """

    probabilities: npt.NDArray[np.float32]
    labels: IntArray
    """Observed labels, possibly wrong."""
    clean: IntArray
    """True labels."""
    domain: IntArray
    weight: FloatArray
    rows: IntArray
    keys: dict[str, npt.NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.probabilities.ndim != 2:
            raise ValueError(f"probabilities have shape {self.probabilities.shape}; (n, C) is needed")
        for name, column in self._columns().items():
            if column.shape[:1] != (len(self),):
                raise ValueError(f"{name} has shape {column.shape}, but there are {len(self)} events")

    def __len__(self) -> int:
        return len(self.probabilities)

    def select(self, which: IntArray | BoolArray) -> Predictions:
        """The events at the given positions, or where the mask is true."""
        chosen = {name: getattr(self, name)[which] for name in ARRAYS}
        return replace(self, **chosen, keys={name: column[which] for name, column in self.keys.items()})

    def under(self, seen: npt.ArrayLike, prior: npt.ArrayLike) -> Predictions:
        """The same model under another class mix than it has seen, see `under_prior`."""
        p: npt.NDArray[np.float32] = under_prior(self.probabilities, seen, prior).astype(np.float32)
        return replace(self, probabilities=p)

    def deployed(self, seen: npt.ArrayLike, prior: npt.ArrayLike, truth: IntArray) -> Predictions:
        """The same model where classes have that prior: its probabilities mapped, its examples weighted to that mix.

        Examples keep their weights where labels are wrong (their mix is not the classes'), and where a class of the prior
        is absent.
        """
        mapped = self.under(seen, prior)
        weight = natural_weight(truth, self.weight, np.asarray(prior).tolist())
        known = np.array_equal(truth, self.clean) and not np.isnan(weight).any()
        return replace(mapped, weight=weight.astype(self.weight.dtype)) if known else mapped

    def _columns(self) -> dict[str, npt.NDArray[Any]]:
        arrays = {name: getattr(self, name) for name in ARRAYS}
        return arrays | {KEY + name: column for name, column in self.keys.items()}


def under_prior(p: npt.NDArray[Any], seen: npt.ArrayLike, prior: npt.ArrayLike) -> FloatArray:
    """Probabilities (n, C) under another class mix: p'(c) ∝ p(c) · prior(c) / seen(c), both positive (Saerens 2002, eq. 2.4)."""
    mapped: FloatArray = p * (np.asarray(prior) / np.asarray(seen))
    return mapped / mapped.sum(axis=1, keepdims=True)


ARRAYS = tuple(f.name for f in fields(Predictions) if f.name != "keys")


def save(path: Path, **splits: Predictions) -> None:
    """Write all splits to one npz, complete or not at all; arrays are named `test.probabilities`, `test.key.run`, ...

    Raises UserError if the file cannot be written.
    """
    arrays = {f"{split}.{name}": _storable(a) for split, p in splits.items() for name, a in p._columns().items()}
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        raise UserError(
            f"{path}: cannot write the predictions ({error}); free some space or change the folder"
        ) from None
    finally:
        partial.unlink(missing_ok=True)


def load(path: Path) -> dict[str, Predictions]:
    """All splits of a file by name. Raises UserError if there is none or it is damaged."""
    columns: dict[str, dict[str, npt.NDArray[Any]]] = {}
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            for name in arrays.files:
                split, _, column = name.partition(".")
                columns.setdefault(split, {})[column] = arrays[name]
        return {split: _assemble(found) for split, found in columns.items()}
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; evaluate the run first") from None
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: not a predictions file ({error}); remove it and evaluate the run again") from None


def _assemble(found: dict[str, npt.NDArray[Any]]) -> Predictions:
    keys = {name.removeprefix(KEY): column for name, column in found.items() if name.startswith(KEY)}
    return Predictions(**{name: found[name] for name in ARRAYS}, keys=keys)


def _storable(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Columns of Python strings become unicode arrays; anything else that only pickle could store is an error."""
    array = np.asarray(array)
    return array.astype(np.str_) if array.dtype == object else array
