"""The index of selected events comes back as it went in, or not at all."""

import numpy as np
import pytest

from src.datasets.selected_index import TYPES, read_index, write_index
from src.errors import UserError


def table(n=7):
    rng = np.random.default_rng(n)
    found = {name: rng.integers(0, 2**32, n) for name in TYPES}
    names = ["a_genie_.h5", 'comma, "quoted".h5', "NA", "7", "νμ.h5"]
    return found | {"weight": rng.lognormal(0, 5, n), "file": np.array([names[k % 5] for k in range(n)])}


@pytest.mark.parametrize("n", [0, 7])
def test_it_comes_back_to_the_bit(tmp_path, n):
    path = tmp_path / "0123.parquet"
    write_index(path, table(n))
    found = read_index(path)
    assert list(found) == list(TYPES)
    for name, column in table(n).items():
        assert np.array_equal(found[name], column), name
        assert found[name].dtype.kind == {"weight": "f", "file": "U"}.get(name, "i")
    assert [p.name for p in path.parent.iterdir()] == ["0123.parquet"]


def test_columns_of_any_kind_of_integer_will_do(tmp_path):
    small = {**table(), "run": np.arange(7, dtype=np.uint32), "label": np.arange(7, dtype=np.int8)}
    write_index(tmp_path / "i.parquet", small)
    assert read_index(tmp_path / "i.parquet")["run"].tolist() == [*range(7)]


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[:-5], lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"run,subrun"],
)
def test_a_damaged_one_is_refused(tmp_path, damage):
    path = tmp_path / "i.parquet"
    write_index(path, table())
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(
        UserError, match=r"i\.parquet: damaged, or no index of events .*; delete it, and it is made again"
    ):
        read_index(path)


def test_one_of_other_columns_or_of_none_is_refused(tmp_path):
    import pandas as pd

    pd.DataFrame({"run": [1]}).to_parquet(tmp_path / "i.parquet")
    for name in ("i.parquet", "none.parquet"):
        with pytest.raises(UserError, match="no index of events"):
            read_index(tmp_path / name)
