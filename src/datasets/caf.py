"""NOvA's flat analysis files: branches as tables, rows named by (run, subrun, cycle, evt, subevt), never by position."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from src.errors import UserError
from src.task import IntArray

if TYPE_CHECKING:
    from collections.abc import Iterator

    import h5py

KEY = ("run", "subrun", "cycle", "evt", "subevt")
MAPS = "rec.training.cvnmaps"
TRUTH = "rec.mc.nu"
SHAPE = (2, 100, 80)
PIXELS = 16_000

Columns = dict[str, npt.NDArray[Any]]


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """The file, read-only. Raises UserError if it is missing, truncated or not HDF5, here or while it is read."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            yield file
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"{path}: truncated, damaged or not HDF5 ({str(error).splitlines()[0]}); fetch it again"
        ) from None


def columns(file: h5py.File, branch: str, names: Iterable[str]) -> Columns:
    """Variables of a branch, each (n,). Raises UserError for a missing or misshapen one."""
    found: Columns = {}
    for name in names:
        dataset = file.get(f"{branch}/{name}")
        if dataset is None:
            there = "the branch is not in the file" if branch not in file else f"it has {', '.join(file[branch])}"
            raise UserError(f"{file.filename}: no {branch}/{name}; {there}")
        if dataset.shape not in {(len(dataset), 1), (len(dataset),)}:
            raise UserError(f"{file.filename}: {branch}/{name} has shape {dataset.shape}, not (n, 1)")
        found[name] = dataset[:].reshape(-1)
    if len({len(values) for values in found.values()}) > 1:
        lengths = ", ".join(f"{name} {len(values)}" for name, values in found.items())
        raise UserError(f"{file.filename}: the columns of {branch} differ in length: {lengths}")
    return found


def check_maps(file: h5py.File) -> int:
    """Number of pixel maps. Raises UserError if there are none of 16,000 bytes each."""
    maps = file.get(f"{MAPS}/cvnmap")
    if maps is None:
        raise UserError(f"{file.filename}: no {MAPS}/cvnmap; these files carry no pixel maps")
    if maps.ndim != 2 or maps.shape[1] != PIXELS or maps.dtype != np.uint8:
        raise UserError(
            f"{file.filename}: {MAPS}/cvnmap is {maps.dtype} {maps.shape}; maps of {PIXELS} bytes are needed"
        )
    return len(maps)


def map_keys(file: h5py.File) -> Columns:
    """The index columns of the pixel maps. Raises UserError if there is not one row for each map."""
    count, key = check_maps(file), columns(file, MAPS, KEY)
    if len(key[KEY[0]]) != count:
        raise UserError(f"{file.filename}: {MAPS} has {count} maps, but {len(key[KEY[0]])} rows of run, subrun, ...")
    return key


def join(left: Columns, right: Columns, where: str) -> IntArray:
    """For each row of `left` the row of `right` with the same key, -1 if there is none; by sorted keys.

    Raises UserError if a key stands twice in `right`.
    """
    wanted, have = _codes(left, right)
    order = np.argsort(have, kind="stable")
    ordered = have[order]
    twice = np.flatnonzero(ordered[1:] == ordered[:-1])
    if len(twice):
        row = order[twice[0] + 1]
        named = ", ".join(f"{name} {right[name][row]}" for name in KEY)
        raise UserError(f"{where}: {len(twice)} keys stand twice, first in row {row} ({named})")
    if not len(ordered):
        return np.full(len(wanted), -1, dtype=np.int64)
    at = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    return np.where(ordered[at] == wanted, order[at], -1)


def _codes(left: Columns, right: Columns) -> tuple[IntArray, IntArray]:
    """Both tables' keys as integers, equal where the keys are."""
    n = len(left[KEY[0]])
    code = np.zeros(n + len(right[KEY[0]]), dtype=np.int64)
    for name in KEY if len(code) else ():
        values = np.concatenate([left[name], right[name]]).astype(np.int64)
        values -= values.min()
        span = int(values.max()) + 1
        if int(code.max()) >= 2**62 // span:
            code = np.unique(code, return_inverse=True)[1]
        code = code * span + values
    return code[:n], code[n:]
