import numpy as np
import pandas as pd
import pytest
import torch

from src.datasets.table import Table
from src.errors import UserError
from tests.datasets.files import make_table

CPU = torch.device("cpu")


def splits(root, **options):
    return Table(**options).splits(root, root, 0)


def test_features_are_standardised_by_the_training_rows_alone(tmp_path):
    make_table(tmp_path)
    found = splits(tmp_path)
    x = found.train.inputs.fetch(torch.from_numpy(found.train.rows), CPU)
    assert torch.allclose(x.mean(0), torch.zeros(2), atol=1e-4)
    assert torch.allclose(x.std(0, correction=0), torch.ones(2), atol=1e-3)
    test = found.test.inputs.fetch(torch.from_numpy(found.test.rows), CPU)
    assert test.mean(0).abs().max() > 1e-3


def test_new_rows_are_standardised_alike_and_carry_their_other_columns(tmp_path):
    table = make_table(tmp_path)
    dataset = Table()
    found = dataset.splits(tmp_path, tmp_path, 0)
    table.drop(columns="label").assign(event=np.arange(len(table))).to_parquet(tmp_path / "new.parquet")
    new = dataset.read(tmp_path / "new.parquet", tmp_path)
    rows = torch.arange(len(table))
    assert torch.allclose(new.inputs.fetch(rows, CPU), found.train.inputs.fetch(rows, CPU))
    assert new.keys["event"].tolist() == list(range(len(table)))


def test_labels_are_classes_in_sorted_order(tmp_path):
    table = make_table(tmp_path)
    found = splits(tmp_path, features=["mass"], standardise=False)
    assert found.class_names == ("x", "y", "z")
    assert found.train.inputs.shape == (1,)
    part = found.val
    x = part.inputs.fetch(torch.from_numpy(part.rows), CPU)[:, 0]
    assert np.allclose(x, table["mass"].to_numpy()[part.rows], rtol=1e-6)
    assert (np.array(found.class_names)[part.labels] == table["label"].to_numpy()[part.rows]).all()


def test_numbers_as_labels_are_sorted_as_numbers(tmp_path):
    make_table(tmp_path).assign(label=np.arange(120) % 12, y_observed=0).to_csv(tmp_path / "table.csv", index=False)
    with pytest.raises(UserError, match="no labelled example of class '1'"):
        splits(tmp_path)
    make_table(tmp_path).assign(label=np.arange(120) % 12).to_csv(tmp_path / "table.csv", index=False)
    found = splits(tmp_path)
    assert found.class_names == tuple(str(k) for k in range(12))
    assert np.array_equal(found.test.labels, found.test.rows % 12)


@pytest.mark.parametrize(("change", "options", "why"), [
    ({"domain": [None, "a", "b"] * 40}, {}, "column 'domain' is empty in row 0"),
    ({"mass": [1e300] * 120}, {}, "column 'mass' is not finite in row 0"),
    ({"mass": [np.nan] + [1.0] * 119}, {}, "column 'mass' is empty in row 0"),
    ({"label": [None] + ["x", "y"] * 59 + ["z"]}, {}, "column 'label' is empty in row 0"),
    ({}, {"label": "lable"}, "has no column 'lable'; did you mean 'label'"),
    ({}, {"features": ["mas"]}, "has no column 'mas'; did you mean 'mass'"),
    ({"kind": ["a"] * 120}, {"features": ["kind"]}, "column 'kind' does not hold numbers"),
    ({"y_observed": ["q"] * 120}, {}, "y_observed is 'q' in row 0"),
])  # fmt: skip
def test_mistakes_are_named_with_row_and_column(tmp_path, change, options, why):
    make_table(tmp_path).assign(**change).to_csv(tmp_path / "table.csv", index=False)
    with pytest.raises(UserError, match=why):
        splits(tmp_path, **options)


def test_bad_files_are_sentences(tmp_path):
    with pytest.raises(UserError, match=r"table\.csv: no such file"):
        splits(tmp_path)
    (tmp_path / "t.parquet").write_bytes(b"PAR1 torn")
    with pytest.raises(UserError, match="not a readable table"):
        splits(tmp_path, path="t.parquet")
    (tmp_path / "table.csv").write_text("mass,label\n")
    with pytest.raises(UserError, match="the table has no rows"):
        splits(tmp_path)
    pd.DataFrame({"label": ["a", "b"]}).to_csv(tmp_path / "table.csv", index=False)
    with pytest.raises(UserError, match="no numeric column"):
        splits(tmp_path)
