"""NOvA's event files: who wrote them, which class their events have, and what else the truth says of given events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from src.datasets import caf
from src.errors import UserError
from src.task import HIDDEN, BoolArray, IntArray

SIGNS = {"genie": "_genie_", "gibuu": "gibuu", "detector": "_data_"}
"""Part of a file's name that tells where its events are from."""
TRUTH_SUFFIX = ".truth.h5"
"""In place of .h5: the truth of the detector's events, where somebody knows it."""


def event_files(folder: Path) -> list[Path]:
    """All .h5 files below a folder, sorted, but those of truth alone."""
    files = (path for path in folder.rglob("*.h5") if not path.name.endswith(TRUTH_SUFFIX))
    return sorted(path for path in files if not path.name.startswith("."))


def origin(path: Path) -> str:
    """`genie`, `gibuu` or `detector`, by the file name. Raises UserError for any other."""
    name = path.name.lower()
    found = [who for who, sign in SIGNS.items() if sign in name]
    if len(found) != 1:
        signs = ", ".join(f"'{sign}' ({who})" for who, sign in SIGNS.items())
        raise UserError(f"{path}: the name does not tell where its events are from; it must contain one of {signs}")
    return found[0]


@dataclass(frozen=True)
class Labelled:
    """Rows of a file's pixel maps that have a class (all rows of the detector's files), and what is known of them."""

    path: Path
    rows: IntArray
    key: caf.Columns
    label: IntArray
    """HIDDEN for the detector's events."""
    weight: npt.NDArray[np.float64]
    """genweight; 1 for the detector's events."""
    dropped: int
    """How many maps are of no class."""

    def select(self, which: BoolArray) -> Labelled:
        """The rows where the mask is true."""
        key = {name: column[which] for name, column in self.key.items()}
        return Labelled(self.path, self.rows[which], key, self.label[which], self.weight[which], self.dropped)


def labelled_rows(path: Path) -> Labelled:
    """Join a file's maps to its truth by key.

    Raises UserError for a missing branch, a wrong map length, a repeated key, or a weight that is not a number.
    """
    real = origin(path) == "detector"
    with caf.opened(path) as file:
        key = caf.map_keys(file)
        truth = {} if real else caf.columns(file, caf.TRUTH, (*caf.KEY, "iscc", "pdg", "genweight"))
    caf.join(key, key, f"{path}: {caf.MAPS}")
    n = len(key["run"])
    if real:
        return Labelled(path, np.arange(n), key, np.full(n, HIDDEN), np.ones(n), 0)
    at = caf.join(key, truth, f"{path}: {caf.TRUTH}")
    label = np.append(classes(truth["iscc"], truth["pdg"]), -1)[at]  # at -1, the last: no truth
    weight = np.append(truth["genweight"], 1)[at].astype(np.float64)
    bad = np.flatnonzero((at >= 0) & ~(np.isfinite(weight) & (weight >= 0)))
    if len(bad):
        row = at[bad[0]]
        raise UserError(
            f"{path}: {caf.TRUTH}/genweight is {weight[bad[0]]} in row {row}; weights are finite and not negative"
        )
    known = label >= 0
    return Labelled(path, np.arange(n), key, label, weight, int((~known).sum())).select(known)


def classes(iscc: Any, pdg: Any) -> IntArray:
    """0 NC, 1 νe CC, 2 νμ CC; -1 for what is none of them (ντ CC, unknown codes)."""
    flavour = np.abs(pdg.astype(np.int64))
    conditions = [iscc == 0, (iscc == 1) & (flavour == 12), (iscc == 1) & (flavour == 14)]
    return np.select(conditions, [0, 1, 2], -1).astype(np.int64)


def truth_file(path: Path) -> Path:
    """Where the truth of a file's events lies: in the file itself, for the detector's beside it."""
    return path.with_suffix(TRUTH_SUFFIX) if origin(path) == "detector" else path


def truth(paths: Sequence[Path], keys: caf.Columns, names: Sequence[str]) -> caf.Columns:
    """Variables of rec.mc.nu for events named by KEY and `file` (a file's name), each (n,), joined by the full key.

    Raises UserError if a file is not among the paths or has no truth for one of its events.
    """
    at = {path.name: path for path in paths}
    found: caf.Columns = {}
    for name in np.unique(keys["file"]):
        here = np.flatnonzero(keys["file"] == name)
        if name not in at:
            raise UserError(f"{name}: {len(here)} events are said to be from this file, which is not there any more")
        path = truth_file(at[name])
        with caf.opened(path) as file:
            read = caf.columns(file, caf.TRUTH, (*caf.KEY, *names))
        row = caf.join({part: keys[part][here] for part in caf.KEY}, read, f"{path}: {caf.TRUTH}")
        if (row < 0).any():
            raise UserError(f"{path}: {caf.TRUTH} has no row for {(row < 0).sum()} of {len(here)} events")
        for variable in names:
            column = found.setdefault(variable, np.zeros(len(keys["file"]), read[variable].dtype))
            column[here] = read[variable][row]
    return found
