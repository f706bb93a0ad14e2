"""NuGraph's event files (.evt.h5), read without MPI: tables of all events, the rows of each together; also written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from src.datasets.caf import opened
from src.errors import UserError
from src.simulators.lartpc_tables import EventTables, Table
from src.task import IntArray

if TYPE_CHECKING:
    import h5py

SUFFIX = ".evt.h5"
BLOCK = 256  # events read at a time
ID, COUNTS = "event_id", "event_id.seq_cnt"

HITS = ("hit_id", "local_plane", "local_wire", "local_time", "integral", "rms")
POINTS = ("spacepoint_id", "hit_id")
PARTICLES = ("g4_id", "parent_id", "type", "momentum", "start_process", "end_process")
TRUTH = ("is_cc", "nu_pdg", "nu_vtx_corr", "nu_vtx_wire_pos", "nu_vtx_wire_time")
WIDE = {"hit_id": ("hit_id_u", "hit_id_v", "hit_id_y"), "position": ("x", "y", "z")}
"""Columns of the space points that stand in one dataset."""
NO_POINTS: Table = {name: np.zeros(0, np.int64) for name in ("spacepoint_id", *WIDE["hit_id"])}
NO_DEPOSITS: Table = {name: np.zeros(0, np.int64) for name in ("hit_id", "g4_id", "energy")}


def read_events(path: Path) -> Iterator[EventTables]:
    """The tables of each event, in the order of event_table/event_id, block by block.

    Space points, deposits, particles and truth may be missing. Raises UserError for other columns that are, for rows of no
    event, or for columns that differ in length.
    """
    with opened(path) as file:
        hits = Stored(file, "hit_table", HITS)
        ids = hits.events
        points = Stored(file, "spacepoint_table", POINTS, ("position",))
        edeps = Stored(file, "edep_table", ("hit_id", "g4_id"), ("energy", "energy_fraction"))
        particles = Stored(file, "particle_table", PARTICLES)
        truth = Stored(file, "event_table", (), TRUTH)
        for start in range(0, len(ids), BLOCK):
            those = np.arange(start, min(start + BLOCK, len(ids)))
            parts = [table.of(those) for table in (hits, points, edeps, truth, particles)]
            for event, hit, point, edep, true, particle in zip(those, *parts, strict=True):
                run, subrun, number = ids[event].tolist()
                yield EventTables(
                    run, subrun, number, hit, _apart(point) or NO_POINTS, edep or NO_DEPOSITS, true, particle or None
                )


class Stored:
    """One table of a file, and where the rows of each event are: from `event_id.seq_cnt`, else from `event_id`."""

    def __init__(self, file: h5py.File, name: str, needed: tuple[str, ...], optional: tuple[str, ...] = ()) -> None:
        self.file, self.name, self.path = file, name, file.filename
        self.events: IntArray = self._dataset("event_table", ID)[()].astype(np.int64)
        self.there = name in file
        if not self.there and name in {"hit_table", "event_table"}:
            raise UserError(f"{self.path}: has no {name}; event files have hit_table and event_table")
        given = [column for column in optional if self.there and column in file[name]]
        self.columns = {c: self._dataset(name, c) for c in (*needed, *given)} if self.there else {}
        if name == "edep_table" and self.there and not given:
            raise UserError(f"{self.path}: {name} has neither energy nor energy_fraction; one of them is needed")
        self.rows = self._rows()
        self.start, self.count = self._places()

    def _dataset(self, table: str, column: str) -> h5py.Dataset:
        found = self.file.get(f"{table}/{column}")
        if found is None:
            raise UserError(f"{self.path}: has no {table}/{column}, which the graphs are built from")
        return found

    def _rows(self) -> int:
        """How many there are. Raises UserError unless all columns have as many."""
        rows = {name: len(column) for name, column in self.columns.items()}
        rows |= {ID: len(self.events)} if self.name == "event_table" else {}
        if len(set(rows.values())) > 1:
            found = ", ".join(f"{name} {count}" for name, count in rows.items())
            raise UserError(
                f"{self.path}: columns of {self.name} differ in their number of rows ({found}); make the file again"
            )
        return next(iter(rows.values()), 0)

    def _places(self) -> tuple[IntArray, IntArray]:
        """First row and number of rows of each event, (events,)."""
        start, count = np.zeros((2, len(self.events)), dtype=np.int64)
        if self.name == "event_table":
            return np.arange(len(self.events)), count + 1
        if not self.there:
            return start, count
        if COUNTS in self.file[self.name]:
            event, rows = self.file[self.name][COUNTS][()].astype(np.int64).T
        else:
            event, rows = self._counted(self._dataset(self.name, ID)[()].astype(np.int64))
        if len(event) and (
            not 0 <= event.min() <= event.max() < len(self.events) or len(np.unique(event)) < len(event)
        ):
            raise UserError(f"{self.path}: {self.name} has rows of an event that event_table has not, or in two places")
        if rows.sum() != self.rows or (rows < 0).any():
            raise UserError(
                f"{self.path}: {self.name} has {self.rows} rows, and its events {rows.sum()}; make the file again"
            )
        start[event], count[event] = np.cumsum(rows) - rows, rows
        return start, count

    def _counted(self, ids: IntArray) -> tuple[IntArray, IntArray]:
        """(the event, -1 for none; the number of rows) of each run of equal event_ids."""
        new = np.flatnonzero(np.append(True, (ids[1:] != ids[:-1]).any(axis=1))[: len(ids)])
        number = {tuple(key): event for event, key in enumerate(self.events.tolist())}
        event = np.array([number.get(tuple(key), -1) for key in ids[new].tolist()], dtype=np.int64)
        return event, np.diff(np.append(new, len(ids)))

    def of(self, events: IntArray) -> list[Table]:
        """The columns of each of the events, read at once; none of a table that is not there."""
        start, count = self.start[events], self.count[events]
        full = count > 0
        low, high = (int(start[full].min()), int((start + count)[full].max())) if full.any() else (0, 0)
        block = {name: _values(column, low, high) for name, column in self.columns.items()}
        return [
            {name: values[at : at + n] for name, values in block.items()}
            for at, n in zip((start - low).tolist(), count.tolist(), strict=True)
        ]


def _values(column: h5py.Dataset, low: int, high: int) -> npt.NDArray[Any]:
    import h5py

    values = column.asstr()[low:high].astype(str) if h5py.check_string_dtype(column.dtype) else column[low:high]
    return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values


def _apart(points: Table) -> Table:
    """Columns (n, 3) as three."""
    found: Table = {}
    for name, values in points.items():
        found |= dict(zip(WIDE[name], values.T, strict=True)) if name in WIDE else {name: values}
    return found


def write_events(path: Path, events: Iterable[EventTables]) -> None:
    """A file that holds these events, all in memory on the way."""
    import h5py

    found = list(events)
    ids = np.array([(each.run, each.subrun, each.event) for each in found], dtype=np.int64).reshape(-1, 3)
    tables = {
        "event_table": [each.truth for each in found], "hit_table": [each.hits for each in found],
        "spacepoint_table": [_together(each.points) for each in found], "edep_table": [each.edeps for each in found],
    }  # fmt: skip
    if all(each.particles is not None for each in found):
        tables["particle_table"] = [each.particles or {} for each in found]
    with h5py.File(path, "w") as file:
        for name, parts in tables.items():
            rows = np.array([len(next(iter(part.values()))) for part in parts], dtype=np.int64)
            full = np.flatnonzero(rows)
            file[f"{name}/{ID}"] = np.repeat(ids, rows, axis=0)
            file[f"{name}/{COUNTS}"] = np.stack([full, rows[full]], axis=1)
            for column in parts[0]:
                values = np.concatenate([part[column] for part in parts])
                values = values if values.ndim > 1 else values[:, None]
                file[f"{name}/{column}"] = values.astype(object) if values.dtype.kind == "U" else values


def _together(points: Table) -> Table:
    wide = {
        name: np.stack([points[each] for each in parts], axis=1) for name, parts in WIDE.items() if parts[0] in points
    }
    return {"spacepoint_id": points["spacepoint_id"], **wide}
