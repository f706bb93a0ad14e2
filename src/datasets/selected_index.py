"""The index of selected events: a table of who they are and where their maps stand, made once and read back.

A CSV file whose first line, a comment, is a digest of the rest, so that a table that was cut short or edited is not used.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
import uuid
from pathlib import Path

import numpy as np

from src.datasets import caf
from src.datasets.cache import digest, unwritable
from src.errors import UserError

TYPES = {
    "run": np.int64, "subrun": np.int64, "evt": np.int64, "subevt": np.int64, "cycle": np.int64, "weight": np.float64,
    "train_index": np.int64, "label": np.int64, "domain": np.int64, "file": str,
}  # fmt: skip
"""Columns in their order. `train_index` is the row of the pixel map in `file`, `domain` 0 for the source."""


def write_index(path: Path, columns: caf.Columns) -> None:
    """The table, complete or not there; one that is there stays. Raises UserError if it cannot be written."""
    if path.exists():
        return
    body = io.StringIO()
    writer = csv.writer(body, lineterminator="\n")
    writer.writerow(TYPES)
    writer.writerows(zip(*(columns[name].tolist() for name in TYPES), strict=True))
    text = body.getvalue()
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(f"# {digest(text)}\n{text}", encoding="utf-8", newline="\n")
        os.replace(partial, path)
    except OSError as error:
        raise unwritable(path, error) from None
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def read_index(path: Path) -> caf.Columns:
    """Its columns, each (n,), to the bit as they were written. Raises UserError if it is damaged or cannot be read."""
    try:
        head, _, text = path.read_bytes().decode(errors="replace").partition("\n")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    if head != f"# {digest(text)}" or text.partition("\n")[0] != ",".join(TYPES):
        raise UserError(f"{path}: damaged or edited; delete it, and it is made again")
    rows = [*csv.reader(io.StringIO(text))][1:]
    table = zip(*rows, strict=True) if rows else [()] * len(TYPES)
    return {name: np.array(c, np.str_).astype(kind) for (name, kind), c in zip(TYPES.items(), table, strict=True)}
