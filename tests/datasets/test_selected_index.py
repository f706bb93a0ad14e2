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
    path = tmp_path / "selected" / "0123.csv"
    write_index(path, table(n))
    found = read_index(path)
    assert list(found) == list(TYPES)
    for name, column in table(n).items():
        assert np.array_equal(found[name], column), name
        assert found[name].dtype.kind == {"weight": "f", "file": "U"}.get(name, "i")
    assert [p.name for p in path.parent.iterdir()] == ["0123.csv"]


def test_it_is_a_table_that_a_person_can_read(tmp_path):
    write_index(tmp_path / "i.csv", table(1))
    comment, header, line = (tmp_path / "i.csv").read_text().rstrip("\n").split("\n")
    assert comment.startswith("# ")
    assert header == "run,subrun,evt,subevt,cycle,weight,train_index,label,domain,file"
    assert line == ",".join(str(table(1)[name][0]) for name in TYPES)


def test_columns_of_any_kind_of_integer_will_do_and_what_is_there_stays(tmp_path):
    small = {**table(), "run": np.arange(7, dtype=np.uint32), "label": np.arange(7, dtype=np.int8)}
    write_index(tmp_path / "i.csv", small)
    write_index(tmp_path / "i.csv", table(3))
    assert read_index(tmp_path / "i.csv")["run"].tolist() == [*range(7)]


@pytest.mark.parametrize("damage", [
    lambda text: text[:-5],
    lambda text: "\n".join(text.split("\n")[:-2]) + "\n",
    lambda text: text.replace("genie", "gibuu", 1),
    lambda text: text.split("\n", 1)[1],
    lambda text: "",
    lambda text: "\udcff" + text,
    lambda text: text.replace("\n", "\r\n"),
])  # fmt: skip
def test_a_damaged_one_is_refused(tmp_path, damage):
    path = tmp_path / "i.csv"
    write_index(path, table())
    path.write_bytes(damage(path.read_bytes().decode()).encode(errors="surrogateescape"))
    with pytest.raises(UserError, match=r"i\.csv: damaged or edited; delete it, and it is made again"):
        read_index(path)


def test_an_index_of_other_columns_is_refused(tmp_path):
    from src.datasets.cache import digest

    text = "run,subrun\n1,2\n"
    (tmp_path / "i.csv").write_text(f"# {digest(text)}\n{text}")
    with pytest.raises(UserError, match="damaged"):
        read_index(tmp_path / "i.csv")


def test_one_that_cannot_be_read_or_written_is_a_sentence(tmp_path):
    with pytest.raises(UserError, match=r"none\.csv: cannot be read \(No such file"):
        read_index(tmp_path / "none.csv")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot write the cache"):
        write_index(tmp_path / "file" / "i.csv", table())
