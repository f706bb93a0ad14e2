import numpy as np
import pytest

from src.errors import UserError
from src.noise_models.from_file import FromFile
from tests.noise_models.splits import split_of

SPLIT = split_of([0, 1, 2, 2, 1, 0])
RNG = np.random.default_rng(0)


@pytest.mark.parametrize("name", ["a.npy", "a.txt"])
def test_labels_go_by_the_row_of_the_data_set(tmp_path, name):
    labels = np.array([2, 1, 0, 2, 1, 0])
    (np.save if name.endswith("npy") else np.savetxt)(tmp_path / name, labels)
    part = SPLIT.select(np.array([4, 0, 2]))
    assert FromFile(path=str(tmp_path / name)).corrupt(part, 3, RNG).tolist() == [1, 2, 0]


def test_rows_beyond_the_training_examples_need_no_label(tmp_path):
    """An official test set lies behind; its labels are none of the annotators' business."""
    np.save(tmp_path / "a.npy", np.array([2, 1, 0, 0]))
    assert FromFile(path=str(tmp_path / "a.npy")).corrupt(SPLIT.select(np.arange(4)), 3, RNG).tolist() == [2, 1, 0, 0]


@pytest.mark.parametrize(("content", "sentence"), [
    (np.zeros(5), "5 labels, but the training examples are among the first 6"),
    (np.zeros(7), "7 labels, but the training examples are among the first 6"),
    (np.array([0, 1, 3, 0, 0, 0]), "label 3 in row 2; 0 to 2 are possible"),
    (np.array([0, 1, 0.5, 0, 0, 0]), "one whole number for each example"),
    (np.zeros((6, 2)), r"one whole number for each example is needed, not float64 \(6, 2\)"),
])  # fmt: skip
def test_a_wrong_file_is_a_sentence(tmp_path, content, sentence):
    np.save(tmp_path / "a.npy", content)
    with pytest.raises(UserError, match=sentence):
        FromFile(path=str(tmp_path / "a.npy")).corrupt(SPLIT, 3, RNG)


def test_no_file_and_no_numbers(tmp_path):
    with pytest.raises(UserError, match=r"no such file \(noise_model\.path\)"):
        FromFile(path=str(tmp_path / "b.npy")).corrupt(SPLIT, 3, RNG)
    (tmp_path / "c.txt").write_text("cat\ndog\n")
    with pytest.raises(UserError, match="not a file of labels"):
        FromFile(path=str(tmp_path / "c.txt")).corrupt(SPLIT, 3, RNG)


def test_another_file_is_another_run(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("0\n1\n")
    before = FromFile(path=str(path)).fingerprint()
    path.write_text("0\n2\n")
    assert before != FromFile(path=str(path)).fingerprint() != ""
