"""Emulsion crops as files: a folder of pictures, or one HDF5 file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from src.datasets.cache import digest, digests, fingerprint, kept
from src.datasets.official import reshaped
from src.datasets.pictures import decoded, labelled_files, picture_files
from src.errors import UserError
from src.simulators.emulsion import PARTS
from src.simulators.emulsion_tracks import MEASURED
from src.task import IntArray

CLASSES = ("other", "alpha")
TRACKS = "tracks.csv"
HDF5 = {".h5", ".hdf5", ".hdf"}
BLOCK = 256

Columns = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Crops:
    """Packed pictures (n, 3, size, size) and what is known of each; columns (n,)."""

    images: npt.NDArray[Any]
    keys: Columns
    tracks: Columns = field(default_factory=dict)
    """The columns of MEASURED, if they are known."""
    labels: IntArray | None = None
    part: IntArray | None = None
    """Positions in PARTS."""
    fingerprint: str = ""


def is_hdf5(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in HDF5


def find(path: Path) -> Path:
    """The path, or where there is nothing the HDF5 file of that name."""
    files = [path.with_name(path.name + suffix) for suffix in sorted(HDF5)]
    return next((file for file in files if file.is_file()), path) if not path.exists() else path


def has_tracks(path: Path) -> bool:
    """Whether tracks were measured of what is there; of simulated crops, where nothing is, they are."""
    path = find(path)
    if is_hdf5(path):
        with h5py.File(path) as file:
            return all(name in file for name in MEASURED)
    return not path.is_dir() or (path / TRACKS).exists()


# --- a folder of pictures ---


def read_folder(folder: Path, size: int | None, cache_root: Path) -> Crops:
    """{train, valid, test}/{other, alpha}/ pictures, and tracks.csv where there is one; valid may be missing."""
    names = [name for name in PARTS if (folder / name).is_dir()]
    for name in ("train", "test"):
        if name not in names:
            raise UserError(f"{folder}: has no folder '{name}'; train and test are both needed (valid may be missing)")
    found = [labelled_files(folder / name, CLASSES) for name in names]
    for name, (_, labels) in zip(names, found, strict=True):
        for missing in np.setdiff1d([0, 1], labels):
            raise UserError(f"{folder / name / CLASSES[missing]}: no pictures; both classes are needed in every part")
    files = [path for paths, _ in found for path in paths]
    part = np.repeat([PARTS.index(name) for name in names], [len(paths) for paths, _ in found])
    crops = read_pictures(files, folder, size, cache_root)
    tables = [folder / TRACKS] if crops.tracks else []
    return Crops(
        crops.images, crops.keys, crops.tracks, np.concatenate([each for _, each in found]), part,
        fingerprint([*files, *tables], folder, cache_root),
    )  # fmt: skip


def read_pictures(files: list[Path], folder: Path, size: int | None, cache_root: Path) -> Crops:
    """The pictures, decoded once, named by their places below the folder."""
    if not files:
        raise UserError(f"{folder}: no pictures in this folder")
    content = digests(files, cache_root)
    name = digest([content[path] for path in files], size)
    images = kept(cache_root / "emulsion" / f"{name}.npy", len(files), decoded(files, size, 3))
    places = np.array([path.relative_to(folder).as_posix() for path in files])
    return Crops(images, {"file": places}, _tracks_of(folder / TRACKS, places))


def all_pictures(path: Path) -> tuple[list[Path], Path]:
    """(the pictures of a folder, or the one picture; the folder)."""
    return (picture_files(path), path) if path.is_dir() else ([path], path.parent)


def _tracks_of(path: Path, places: npt.NDArray[Any]) -> Columns:
    """The measured tracks of the pictures, by their column 'file'; none if there is no such table."""
    import pandas as pd

    if not path.exists():
        return {}
    try:
        table = pd.read_csv(path)
        chosen = table.set_index("file")[list(MEASURED)].astype(np.float64).reindex(places)
    except (OSError, ValueError, KeyError) as error:
        needed = ", ".join(["file", *MEASURED])
        raise UserError(f"{path}: not a table with the columns {needed} ({str(error).splitlines()[0]})") from None
    empty = np.flatnonzero(chosen.isna().any(axis=1))
    if len(empty):
        raise UserError(f"{path}: says nothing, or not all, of '{places[empty[0]]}' ({len(empty)} such pictures)")
    return {name: chosen[name].to_numpy() for name in MEASURED}


# --- one HDF5 file ---


def read_hdf5(path: Path, size: int | None, cache_root: Path, *, labelled: bool = True) -> Crops:
    """images uint8 (n, h, w, 3); labels and split unless they are not asked for; sheet and measured tracks if there.

    Labels are 0 or other, 1 or alpha; split is train, valid (or val), test or 0, 1, 2.
    """
    content = digests([path], cache_root)[path]
    try:
        with h5py.File(path) as file:
            images = _dataset(file, path, "images")
            if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
                raise UserError(f"{path}: images are {images.dtype} {images.shape}; uint8 (n, h, w, 3) is needed")
            n = len(images)
            columns = {name: _column(file, path, name, n) for name in ("sheet", *MEASURED) if name in file}
            known = {name: _column(file, path, name, n) for name in ("labels", "split")} if labelled else {}
            packed = kept(cache_root / "emulsion" / f"{digest(content, size)}.npy", n, _rows(images, size))
    except OSError as error:
        raise UserError(f"{path}: truncated, damaged or not HDF5 ({error})") from None
    tracks = _tracks(path, columns)
    keys = {"row": np.arange(n), **({"sheet": columns["sheet"].astype(str)} if "sheet" in columns else {})}
    if not labelled:
        return Crops(packed, keys, tracks)
    labels = _numbers(path, "labels", known["labels"], {"other": 0, "alpha": 1, 0: 0, 1: 1})
    names = {"train": 0, "valid": 1, "val": 1, "test": 2, 0: 0, 1: 1, 2: 2}
    part = _numbers(path, "split", known["split"], names)
    _complete(path, labels, part)
    return Crops(packed, keys, tracks, labels, part, digest("hdf5", content))


def _dataset(file: h5py.File, path: Path, name: str) -> h5py.Dataset:
    if not isinstance(file.get(name), h5py.Dataset):
        raise UserError(f"{path}: has no dataset '{name}'; images, labels and split are needed")
    return file[name]


def _column(file: h5py.File, path: Path, name: str, n: int) -> npt.NDArray[Any]:
    values = _dataset(file, path, name)
    if values.shape != (n,):
        raise UserError(f"{path}: {name} has the shape {values.shape}, but there are {n} images")
    return values.asstr()[:].astype(str) if h5py.check_string_dtype(values.dtype) else values[:]


def _rows(images: h5py.Dataset, size: int | None) -> Iterator[npt.NDArray[np.uint8]]:
    for start in range(0, len(images), BLOCK):
        yield from reshaped(images[start : start + BLOCK].transpose(0, 3, 1, 2), size, 3)


def _tracks(path: Path, columns: Columns) -> Columns:
    """All measured columns, or none. Raises UserError if some are missing or are not numbers."""
    given = [name for name in MEASURED if name in columns]
    if given and len(given) < len(MEASURED):
        missing = next(name for name in MEASURED if name not in given)
        raise UserError(f"{path}: has '{given[0]}', but no '{missing}'; give all of {', '.join(MEASURED)}, or none")
    for name in given:
        if columns[name].dtype.kind not in "biuf" or not np.isfinite(columns[name]).all():
            raise UserError(f"{path}: {name} must hold finite numbers")
    return {name: columns[name].astype(np.float64) for name in given}


def _numbers(path: Path, name: str, values: npt.NDArray[Any], meaning: dict[Any, int]) -> IntArray:
    plain = values.tolist()
    for row, value in enumerate(plain):
        if value not in meaning:
            raise UserError(f"{path}: {name} is {value!r} in row {row}; give {', '.join(map(str, meaning))}")
    return np.array([meaning[value] for value in plain], dtype=np.int64)


def _complete(path: Path, labels: IntArray, part: IntArray) -> None:
    for p, name in enumerate(PARTS):
        for c, cls in enumerate(CLASSES):
            if not ((part == p) & (labels == c)).any() and (p != 1 or (part == p).any()):
                raise UserError(f"{path}: the {name} part has no crop of class '{cls}'; both classes are needed")
