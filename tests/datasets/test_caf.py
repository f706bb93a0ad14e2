"""Rows find each other by key, whatever their order."""

import time

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.datasets import caf
from src.errors import UserError


def keys(rows):
    table = np.array(rows, dtype=np.int64).reshape(-1, 5)
    return {name: table[:, i] for i, name in enumerate(caf.KEY)}


row = st.tuples(st.integers(1, 3), st.integers(0, 2), st.integers(0, 1), st.integers(1, 4), st.integers(1, 3))


@given(st.lists(row, max_size=60), st.lists(row, unique=True, max_size=60))
def test_the_join_is_that_of_a_dictionary(left, right):
    place = {key: position for position, key in enumerate(right)}
    assert caf.join(keys(left), keys(right), "x").tolist() == [place.get(key, -1) for key in left]


def test_large_numbers_do_not_collide():
    rows = [
        (r, s, c, e, v)
        for r in (1, 2**31)
        for s in (0, 2**31)
        for c in (0, 9)
        for e in (1, 2**32 - 1)
        for v in (1, 65535)
    ]
    order = np.random.default_rng(0).permutation(len(rows))
    assert caf.join(keys(rows), keys([rows[i] for i in order]), "x").tolist() == np.argsort(order).tolist()


def test_the_same_event_number_in_another_subrun_is_another_event():
    assert caf.join(keys([(1, 2, 0, 5, 1)]), keys([(1, 1, 0, 5, 1), (1, 2, 0, 5, 1)]), "x").tolist() == [1]


def test_a_key_that_stands_twice_is_named():
    with pytest.raises(
        UserError, match=r"f\.h5: 1 keys stand twice, first in row 2 \(run 1, subrun 0, cycle 0, evt 7, subevt 2\)"
    ):
        caf.join(keys([]), keys([(1, 0, 0, 7, 2), (1, 0, 0, 8, 1), (1, 0, 0, 7, 2)]), "f.h5")


def test_a_join_is_not_quadratic():
    """200,000 rows: pairwise comparison would take hours."""
    n = 200_000
    table = {name: np.zeros(n, np.int64) for name in caf.KEY} | {"evt": np.random.default_rng(0).permutation(n)}
    started = time.perf_counter()
    assert (np.sort(caf.join(table, table, "x")) == np.arange(n)).all()
    assert time.perf_counter() - started < 30


def test_bad_files_are_sentences(tmp_path):
    with pytest.raises(UserError, match="no such file"), caf.opened(tmp_path / "none.h5"):
        pass
    (tmp_path / "torn.h5").write_bytes(b"\x89HDF\r\n\x1a\n torn")
    with pytest.raises(UserError, match=r"torn\.h5: truncated, damaged or not HDF5"), caf.opened(tmp_path / "torn.h5"):
        pass
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["rec.mc.nu/run"] = np.zeros((3, 1))
        file["rec.mc.nu/evt"] = np.zeros((4, 1))
        file["rec.mc.nu/wide"] = np.zeros((3, 2))
    with caf.opened(tmp_path / "f.h5") as file:
        with pytest.raises(UserError, match=r"no rec\.mc\.nu/pdg; it has evt, run, wide"):
            caf.columns(file, "rec.mc.nu", ["pdg"])
        with pytest.raises(UserError, match=r"no rec\.slc/nhit; the branch is not in the file"):
            caf.columns(file, "rec.slc", ["nhit"])
        with pytest.raises(UserError, match="differ in length: run 3, evt 4"):
            caf.columns(file, "rec.mc.nu", ["run", "evt"])
        with pytest.raises(UserError, match=r"has shape \(3, 2\)"):
            caf.columns(file, "rec.mc.nu", ["wide"])
