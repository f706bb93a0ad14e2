"""Dataclasses whose fields are columns of equal length: some rows of one, and several as one."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

Columns = TypeVar("Columns")


def chosen(table: Columns, which: Any) -> Columns:
    """The rows that a mask, positions or a slice name."""
    return type(table)(*(column[which] for column in vars(table).values()))


def joined(tables: list[Columns]) -> Columns:
    """All rows, one table after the other; of one table at least."""
    return type(tables[0])(
        *(np.concatenate(columns) for columns in zip(*(vars(t).values() for t in tables), strict=True))
    )
