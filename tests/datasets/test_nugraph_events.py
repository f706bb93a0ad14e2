"""Event tables are read as they were written, with and without the index that other programs add."""

from dataclasses import replace

import h5py
import numpy as np
import pandas as pd
import pytest

from src.datasets import nugraph_events
from src.datasets.nugraph_events import read_events, write_events
from src.errors import UserError
from src.simulators.lartpc import simulate
from src.simulators.lartpc_tables import EventTables
from tests.datasets.raw_graphs import TOY

TABLES = ("hits", "points", "edeps", "truth", "particles")
INDEXED = ("hit_table", "spacepoint_table", "edep_table", "particle_table")


@pytest.fixture(scope="module")
def events():
    return list(simulate(7, hits=60, seed=1))


@pytest.fixture
def path(events, tmp_path):
    write_events(tmp_path / "few.evt.h5", events)
    return tmp_path / "few.evt.h5"


def same(a, b):
    for name in TABLES:
        one, other = getattr(a, name), getattr(b, name)
        assert set(one) == set(other)
        for column in one:
            np.testing.assert_array_equal(one[column], other[column], err_msg=f"{name}.{column}")
    return (a.run, a.subrun, a.event) == (b.run, b.subrun, b.event)


@pytest.mark.parametrize("block", [1, 3, 256])
def test_events_come_back(events, path, monkeypatch, block):
    monkeypatch.setattr(nugraph_events, "BLOCK", block)
    assert all(same(a, b) for a, b in zip(events, read_events(path), strict=True))


def test_without_row_counts_the_ids_tell(events, path):
    with h5py.File(path, "r+") as file:
        for table in INDEXED:
            del file[f"{table}/event_id.seq_cnt"]
    assert all(same(a, b) for a, b in zip(events, read_events(path), strict=True))


def test_rows_need_not_stand_in_the_order_of_the_events(events, path, monkeypatch):
    monkeypatch.setattr(nugraph_events, "BLOCK", 3)
    with h5py.File(path, "r+") as file:
        table = file["event_table"]
        for name in [*table]:
            values = table[name][()][::-1]
            del table[name]
            table[name] = values
        for name in INDEXED:
            file[f"{name}/event_id.seq_cnt"][:, 0] = len(events) - 1 - file[f"{name}/event_id.seq_cnt"][:, 0]
    assert all(same(a, b) for a, b in zip(events[::-1], read_events(path), strict=True))


def test_an_event_without_rows_has_empty_tables(events, tmp_path):
    bare = replace(events[1], points={name: column[:0] for name, column in events[1].points.items()})
    write_events(tmp_path / "e.evt.h5", [events[0], bare, events[2]])
    assert all(
        same(a, b) for a, b in zip([events[0], bare, events[2]], read_events(tmp_path / "e.evt.h5"), strict=True)
    )


def test_tables_of_truth_and_space_points_may_be_missing(events, path):
    with h5py.File(path, "r+") as file:
        for table in INDEXED[1:]:
            del file[table]
        for column in [c for c in file["event_table"] if c != "event_id"]:
            del file[f"event_table/{column}"]
    for event, back in zip(events, read_events(path), strict=True):
        assert np.array_equal(back.hits["integral"], event.hits["integral"])
        assert back.particles is None
        assert back.truth == {}
        assert not any(len(column) for table in (back.points, back.edeps) for column in table.values())


def test_the_raw_events_of_the_reference_come_back(tmp_path):
    def table(number, name):
        frame = pd.read_csv(TOY.with_name(f"raw_evt{number}_{name}_table.csv"))
        return {c: frame[c].to_numpy() if len(frame) else np.zeros(0, np.int64) for c in frame}

    events = [
        EventTables(
            1, 0, k, table(k, "hit"), table(k, "spacepoint"), table(k, "edep"), {"is_cc": table(k, "event")["is_cc"]}
        )
        for k in range(4)
    ]
    write_events(tmp_path / "raw.evt.h5", events)
    for event, back in zip(events, read_events(tmp_path / "raw.evt.h5"), strict=True):
        assert np.array_equal(back.points["hit_id_y"], event.points["hit_id_y"])
        assert np.array_equal(back.edeps["energy"], event.edeps["energy"])
        assert back.particles is None


@pytest.mark.parametrize(
    ("table", "column", "sentence"),
    [
        ("hit_table", None, "has no hit_table; event files have"),
        ("event_table", None, "has no event_table/event_id"),
        ("edep_table", "energy", "edep_table has neither energy nor energy_fraction"),
        ("hit_table", "rms", "has no hit_table/rms, which the graphs are built from"),
    ],
)
def test_what_is_missing_is_named(path, table, column, sentence):
    with h5py.File(path, "r+") as file:
        del file[table if column is None else f"{table}/{column}"]
    with pytest.raises(UserError, match=sentence):
        list(read_events(path))


@pytest.mark.parametrize("table", INDEXED)
def test_row_counts_that_do_not_sum_to_the_rows_are_refused(path, table):
    with h5py.File(path, "r+") as file:
        file[f"{table}/event_id.seq_cnt"][1, 1] -= 1
        rows = len(file[f"{table}/event_id"])
    with pytest.raises(UserError, match=f"{table} has {rows} rows, and its events {rows - 1}; make the file again"):
        list(read_events(path))


@pytest.mark.parametrize(
    ("table", "column"),
    [("hit_table", "rms"), ("edep_table", "g4_id"), ("particle_table", "type"), ("event_table", "is_cc")],
)
def test_columns_that_differ_in_length_are_refused(path, table, column):
    with h5py.File(path, "r+") as file:
        values = file[f"{table}/{column}"][()]
        del file[f"{table}/{column}"]
        file[f"{table}/{column}"] = values[:-1]
    with pytest.raises(UserError, match=rf"columns of {table} differ .*{column} {len(values) - 1}\b"):
        list(read_events(path))


def test_rows_of_no_event_are_refused(path):
    with h5py.File(path, "r+") as file:
        file["hit_table/event_id.seq_cnt"][0, 0] = 7
    with pytest.raises(UserError, match="hit_table has rows of an event that event_table has not"):
        list(read_events(path))
    with h5py.File(path, "r+") as file:
        del file["hit_table/event_id.seq_cnt"]
        file["hit_table/event_id"][0] = 99
    with pytest.raises(UserError, match="hit_table has rows of an event that event_table has not"):
        list(read_events(path))
