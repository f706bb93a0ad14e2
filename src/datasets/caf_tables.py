"""Branches of a NOvA file as given events see them: one value an event, or any number of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from src.datasets import caf
from src.task import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    import h5py


@dataclass(frozen=True)
class Rows:
    """Those rows of a branch that belong to events, any number of them an event, in any order."""

    events: int
    """How many events there are."""
    event: IntArray
    """The event that each row belongs to."""
    columns: dict[str, FloatArray]

    def __getitem__(self, name: str) -> FloatArray:
        return self.columns[name]

    @property
    def number(self) -> IntArray:
        """Rows of each event."""
        return np.bincount(self.event, minlength=self.events)

    def every(self, passed: BoolArray) -> BoolArray:
        """Events none of whose rows fails; so do those without a row."""
        return np.bincount(self.event[~passed], minlength=self.events) == 0

    def some(self, passed: BoolArray) -> BoolArray:
        """Events with a row that passes."""
        return np.bincount(self.event[passed], minlength=self.events) > 0


@dataclass(frozen=True)
class Tables:
    """A file's branches as its events see them. Raises UserError for a branch or column that is not in the file."""

    file: h5py.File
    key: caf.Columns
    """Of the events; no key stands twice."""

    def value(self, branch: str, name: str) -> FloatArray:
        """(n,) of a branch with one row an event, NaN where there is none. Raises UserError for a second one."""
        table = caf.columns(self.file, branch, (*caf.KEY, name))
        row = caf.join(self.key, table, f"{self.file.filename}: {branch}")
        return np.append(table[name].astype(np.float64), np.nan)[row]  # row -1, the last: there is none

    def rows(self, branch: str, *names: str) -> Rows:
        """The rows of the events, those of other events left out. Raises UserError if two events have one key."""
        table = caf.columns(self.file, branch, (*caf.KEY, *names))
        event = caf.join(table, self.key, f"{self.file.filename}: {caf.MAPS}")
        known = event >= 0
        columns = {name: table[name][known].astype(np.float64) for name in names}
        return Rows(len(self.key["run"]), event[known], columns)
