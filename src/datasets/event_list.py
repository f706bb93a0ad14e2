"""The experiment's text list of selected events and their corrected weights, as MakeEventListFile writes it.

A line an event, its fields separated by blanks or commas; the first line names the columns, in any order, a # before them
or not: run, subrun, cycle, evt, subevt and weight, and others, which are ignored. So are empty lines and comments (#).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from src.datasets import caf
from src.errors import UserError
from src.task import BoolArray, IntArray

WEIGHT = "weight"
COLUMNS = (*caf.KEY, WEIGHT)
SHOWN = 3
"""Keys that a note names of each kind."""


def read(path: Path) -> caf.Columns:
    """The key's columns, int64, and `weight`, float64, each (n,), in the order of the list.

    Raises UserError for a list that cannot be read, a column that is missing, a line with too few or too many fields or
    with one that is not a number, and a weight that is negative or not finite.
    """
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UserError(f"{path}: cannot be read ({reason})") from None
    split = [(number, line.replace(",", " ").split()) for number, line in enumerate(lines, start=1)]
    (_, first), *filled = [(number, fields) for number, fields in split if fields] or [(1, [])]
    names = _header(path, first)
    rows = [(number, fields) for number, fields in filled if not fields[0].startswith("#")]
    for number, fields in rows:
        if len(fields) != len(names):
            raise UserError(
                f"{path}, line {number}: {len(fields)} fields, but the first line names {len(names)} columns"
            )
    numbers = [number for number, _ in rows]
    return {name: _column(path, name, [fields[names.index(name)] for _, fields in rows], numbers) for name in COLUMNS}


def _header(path: Path, fields: Sequence[str]) -> list[str]:
    """The names of the columns."""
    names = " ".join(fields).removeprefix("#").split()
    for name in COLUMNS:
        if names.count(name) != 1:
            fault = "twice" if name in names else "not at all"
            raise UserError(
                f"{path}: the first line must name the columns, {', '.join(COLUMNS)} among them; it names '{name}' {fault}"
            )
    return names


def _column(path: Path, name: str, texts: Sequence[str], lines: Sequence[int]) -> npt.NDArray[Any]:
    """The numbers of a column; `lines` says where each text stands."""
    kind = np.float64 if name == WEIGHT else np.int64
    values = _numbers(texts, kind)
    if values is None:
        line, text = next((line, t) for line, t in zip(lines, texts, strict=True) if _numbers([t], kind) is None)
        raise UserError(f"{path}, line {line}: {name} is '{text}', not a {'whole ' if kind is np.int64 else ''}number")
    bad = np.flatnonzero(~((values >= 0) & np.isfinite(values)))
    if name == WEIGHT and len(bad):
        raise UserError(f"{path}, line {lines[bad[0]]}: {name} is {texts[bad[0]]}; weights are finite and not negative")
    return values


def _numbers(texts: Sequence[str], kind: type[np.generic]) -> npt.NDArray[Any] | None:
    """None if one of them is no such number."""
    try:
        return np.array(texts, dtype=np.str_).astype(kind)
    except (ValueError, OverflowError):
        return None


def matched(keys: caf.Columns, listed: caf.Columns, selected: BoolArray, where: str) -> tuple[IntArray, str]:
    """For each event its row in the list, -1 if it is not listed; and a sentence on how list and selection differ.

    `selected` says which events were selected here. Raises UserError for a key that is listed with two weights.
    """
    first, again = _once(listed, where)
    at = caf.join(keys, {name: listed[name][first] for name in caf.KEY}, where)
    row = np.append(first, -1)[at]  # at -1, the last: not listed
    not_listed, not_selected = np.flatnonzero(selected & (at < 0)), np.flatnonzero(~selected & (at >= 0))
    nowhere = first[~np.isin(np.arange(len(first)), at)]
    differences = [
        (not_listed, keys, "selected here but not listed"),
        (not_selected, keys, "listed but not selected here"),
        (nowhere, listed, "listed but not found here"),
        (again, listed, "listed again with the same weight, which counts once"),
    ]
    found = f"{where}: {(selected & (at >= 0)).sum()} of the {selected.sum()} events selected here are listed"
    return row, "; ".join([found, *(_told(*difference) for difference in differences if len(difference[0]))])


def _once(listed: caf.Columns, where: str) -> tuple[IntArray, IntArray]:
    """(rows of the list with a key for the first time, rows that repeat one), rising."""
    table = np.stack([listed[name] for name in caf.KEY], axis=1)
    _, first, which = np.unique(table, axis=0, return_index=True, return_inverse=True)
    original = first[which.reshape(-1)]
    weight = listed[WEIGHT]
    differ = np.flatnonzero(weight != weight[original])
    if len(differ):
        row = differ[0]
        raise UserError(
            f"{where}: {_key(listed, row)} is listed with the weights {weight[original[row]]:g} and {weight[row]:g}"
            f" ({len(differ)} such lines); leave one"
        )
    return np.sort(first), np.flatnonzero(original != np.arange(len(original)))


def _told(rows: IntArray, table: caf.Columns, what: str) -> str:
    named = ", ".join(f"({_key(table, row)})" for row in rows[:SHOWN])
    return f"{len(rows)} {what}: {named}{', ...' if len(rows) > SHOWN else ''}"


def _key(table: caf.Columns, row: int) -> str:
    return ", ".join(f"{name} {table[name][row]}" for name in caf.KEY)
