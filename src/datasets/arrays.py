"""Your own arrays: one npz or HDF5 file with X, y and whatever else is known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from src.component import OpenFraction, PositiveFloat, PositiveInt
from src.datasets.base import NO_CLEAN_SET, CleanSet, Dataset, Profile, Thinning, Unlabelled, fractions_ok
from src.datasets.cache import fingerprint
from src.datasets.columns import Columns, features, splits_of
from src.datasets.inputs import ArrayInputs, Scale
from src.errors import UserError, did_you_mean
from src.task import Splits

COURSE = ("Xtr", "Str", "Xts", "Yts")
KNOWN = ("X", "y", "y_observed", "domain", "weight", "split")


class Arrays(Dataset):
    """X (n, d), (n, h, w) or (n, c, h, w) and y (n,); optionally y_observed, domain, weight, split, each (n,).

    Also a course's files: Xtr, Str (observed training labels, possibly wrong), Xts, Yts. Their true training labels are
    not known, so that the observed ones stand in for them.
    """

    domains: ClassVar[int | None] = None

    def __init__(
        self,
        *,
        path: str = "arrays.npz",
        scale: Scale = "none",
        target_labels: bool = False,
        train_size: PositiveInt | None = None,
        class_counts: list[PositiveInt] | None = None,
        imbalance_ratio: PositiveFloat | None = None,
        imbalance_profile: Profile = "exponential",
        clean: CleanSet = NO_CLEAN_SET,
        val_fraction: OpenFraction = 0.15,
        test_fraction: OpenFraction = 0.2,
    ) -> None:
        fractions_ok(val_fraction, test_fraction)
        self.thinning = Thinning(train_size, class_counts, imbalance_ratio, imbalance_profile, clean)
        self.path, self.scale, self.target_labels = path, scale, target_labels
        self.val_fraction, self.test_fraction = val_fraction, test_fraction

    def splits(self, data_root: Path, cache_root: Path, seed: int) -> Splits:
        path = data_root / self.path
        found = stored_arrays(path)
        notes: tuple[str, ...] = ()
        if course := set(COURSE) <= set(found):
            found = _course(path, found)
            notes = (f"{path}: the true training labels are not in the file; its observed ones stand in for them",)
        missing = [name for name in ("X", "y") if name not in found]
        if missing:
            raise UserError(f"{path}: has no array '{missing[0]}'{did_you_mean(missing[0], found)}")
        columns = Columns(
            str(path), features(str(path), "X", found["X"]), **{k: found[k] for k in KNOWN[1:] if k in found}
        )
        return splits_of(
            columns, ArrayInputs(columns.X, self.scale), class_names=None, target_labels=self.target_labels,
            thinning=self.thinning, val_fraction=self.val_fraction, test_fraction=self.test_fraction, seed=seed,
            fingerprint=fingerprint([path], path.parent, cache_root), right=not course, notes=notes,
        )  # fmt: skip

    def read(self, path: Path, cache_root: Path) -> Unlabelled:
        """A file with X (or Xts)."""
        inputs = ArrayInputs(unlabelled(path), self.scale)
        return Unlabelled(inputs, {"row": np.arange(len(inputs))})


def unlabelled(path: Path) -> npt.NDArray[Any]:
    """X (or Xts) of a file, checked. Raises UserError."""
    found = stored_arrays(path)
    name = next((name for name in ("X", "Xts") if name in found), None)
    if name is None:
        raise UserError(f"{path}: has no array 'X'{did_you_mean('X', found)}")
    return features(str(path), name, found[name])


def stored_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """All arrays of an npz or HDF5 file, without unpickling. Raises UserError if it cannot be read."""
    if not path.is_file():
        raise UserError(f"{path}: no such file; give dataset.path, relative to data_root or absolute")
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                return {name: _texts(archive[name]) for name in archive.files}
        import h5py

        with h5py.File(path, "r") as file:
            return {name: _texts(node[()]) for name, node in file.items() if isinstance(node, h5py.Dataset)}
    except Exception as error:  # broken files make zipfile, zlib, numpy and h5py raise many
        raise UserError(f"{path}: not a readable npz or HDF5 file of plain arrays ({error})") from None


def _texts(values: Any) -> npt.NDArray[Any]:
    """Texts as str; HDF5's are objects of bytes."""
    array = np.asarray(values)
    return np.char.decode(array.astype(bytes), "utf-8") if array.dtype.kind in "OS" else array


def _course(path: Path, found: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    for x, y in (("Xtr", "Str"), ("Xts", "Yts")):
        if len(found[x]) != len(found[y]):
            raise UserError(f"{path}: {x} has {len(found[x])} rows, but {y} has {len(found[y])}")
    part = np.repeat(["train", "test"], [len(found["Xtr"]), len(found["Xts"])])
    try:
        X = np.concatenate([found["Xtr"], found["Xts"]])
    except ValueError as error:
        raise UserError(f"{path}: Xtr and Xts do not fit together ({error})") from None
    return {"X": X, "y": np.concatenate([found["Str"].ravel(), found["Yts"].ravel()]), "split": part}
