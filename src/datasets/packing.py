"""Pixel maps of many files packed into one memory-mapped array, because rows inside gzip chunks cost milliseconds each."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from src.datasets.cache import unwritable
from src.datasets.caf import MAPS, PIXELS, SHAPE, check_maps, opened
from src.datasets.inputs import open_packed
from src.errors import UserError
from src.task import IntArray

log = logging.getLogger(__name__)

BLOCK = 1024  # rows read at a time, a multiple of the files' chunks of 128
CACHE_GB = "KILTER_CACHE_GB"


def packed(selection: Sequence[tuple[Path, IntArray]], name: str, cache_root: Path) -> npt.NDArray[Any]:
    """Maps (n, 2, 100, 80) of the selected rows of each file, in that order; `name` stands for their content.

    Packed on first use, file by file, in memory that does not grow with their number. The array appears under its name
    only when complete; whoever packs the same at the same time writes the same. Raises UserError if a file cannot be
    read or the cache not be written.
    """
    path = cache_root / "packed" / f"{name}.npy"
    if path.exists():
        os.utime(path)
        return open_packed(path)
    total = sum(len(rows) for _, rows in selection)
    partial = path.with_name(f".{name}.{uuid.uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(path.parent).free
        if free < total * PIXELS:
            raise UserError(
                f"{path.parent}: {total * PIXELS / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free; free some or give another cache_root"
            )
        with partial.open("wb") as out:
            header = {"descr": "|u1", "fortran_order": False, "shape": (total, *SHAPE)}
            np.lib.format.write_array_header_1_0(out, header)
            written = 0
            for file, rows in selection:
                for block in _selected(file, rows):
                    out.write(block.data)
                    written += len(block)
            if written != total:
                raise UserError(
                    f"{path.name}: {total} maps were to be packed, but the files hold {written}; fetch them again"
                )
            out.flush()
            os.fsync(out.fileno())
        os.replace(partial, path)
    except OSError as error:
        raise unwritable(path, error) from None
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()
    trim(path.parent, keep=path)
    return open_packed(path)


def _selected(path: Path, rows: IntArray) -> Any:
    """The maps of the rows, in their order, block by block: whole blocks are read, then rows picked from them."""
    with opened(path) as file:
        count = check_maps(file)
        maps = file[f"{MAPS}/cvnmap"]
        if len(rows) and np.all(np.diff(rows) > 0):
            for start in range(0, count, BLOCK):
                low, high = np.searchsorted(rows, [start, start + BLOCK])
                if high > low:
                    block = maps[start : start + BLOCK]
                    yield block if high - low == len(block) else block[rows[low:high] - start]
        elif len(rows):
            raise UserError(f"{path}: rows to pack must be in rising order")


def trim(folder: Path, keep: Path) -> None:
    """Delete the packed arrays unused for longest until the rest fits KILTER_CACHE_GB (default 20)."""
    limit = float(os.environ.get(CACHE_GB, "20")) * 1e9
    arrays = sorted(folder.glob("*.npy"), key=lambda path: path.stat().st_mtime, reverse=True)
    size = keep.stat().st_size
    for path in arrays:
        if path != keep:
            size += path.stat().st_size
            if size > limit:
                log.info("cache over %g GB: %s deleted", limit / 1e9, path)
                path.unlink(missing_ok=True)
