"""The index of selected events: a Parquet table of who they are and where their maps stand, made once and read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from src.datasets import caf
from src.errors import UserError

TYPES = {
    "run": np.int64, "subrun": np.int64, "evt": np.int64, "subevt": np.int64, "cycle": np.int64, "weight": np.float64,
    "train_index": np.int64, "label": np.int64, "domain": np.int64, "file": str,
}  # fmt: skip
"""Columns in their order. `train_index` is the row of the pixel map in `file`, `domain` 0 for the source."""


def write_index(path: Path, columns: caf.Columns) -> None:
    """Write the table; whole only where the folder is (`cache.completed`)."""
    import pandas as pd

    table: caf.Columns = {name: columns[name].astype(kind) for name, kind in TYPES.items()}
    pd.DataFrame(table).to_parquet(path, index=False)


def read_index(path: Path) -> caf.Columns:
    """Its columns, each (n,), to the bit as they were written. Raises UserError if it is damaged or cannot be read."""
    import pandas as pd

    try:
        table = pd.read_parquet(path)
        return {name: table[name].to_numpy(dtype=kind) for name, kind in TYPES.items()}
    except (OSError, KeyError, ValueError) as error:  # pyarrow's own are ValueErrors
        raise UserError(
            f"{path}: damaged, or no index of events ({str(error).splitlines()[0]}); delete it, and it is made again"
        ) from None
