import json
from dataclasses import replace

import numpy as np
import pytest

from src.errors import UserError
from src.noise_models.from_file import FromFile
from tests.datasets.files import make_idx
from tests.noise_models.splits import split_of

SPLIT = split_of([0, 1, 2, 2, 1, 0])
RNG = np.random.default_rng(0)


@pytest.mark.parametrize("name", ["a.npy", "a.txt"])
def test_labels_go_by_the_row_of_the_data_set(tmp_path, name):
    labels = np.array([2, 1, 0, 2, 1, 0])
    (np.save if name.endswith("npy") else np.savetxt)(tmp_path / name, labels)
    part = SPLIT.select(np.array([4, 0, 2]))
    assert FromFile(path=str(tmp_path / name)).corrupt(part, 3, RNG).tolist() == [1, 2, 0]


def test_the_official_test_part_needs_no_label(tmp_path):
    """It lies behind the training part; its labels are none of the annotators' business."""
    official = replace(SPLIT, official_train=4).select(np.array([3, 0]))
    noise = FromFile(path=str(tmp_path / "a.npy"))
    for labels in ([2, 1, 0, 0], [2, 1, 0, 0, 9, -1]):
        np.save(tmp_path / "a.npy", np.array(labels))
        assert noise.corrupt(official, 3, RNG).tolist() == [0, 2]
    for labels in ([2, 1, 0], [2, 1, 0, 0, 0]):
        np.save(tmp_path / "a.npy", np.array(labels))
        sentence = rf"{len(labels)} labels, but the data set has 4 \(its official training part\) or 6 examples"
        with pytest.raises(UserError, match=sentence):
            noise.corrupt(official, 3, RNG)


def test_labels_have_the_numbers_that_classes_had_before_some_were_left_out(tmp_path):
    """Of 0, 1, 3 the last is class 2 now; a file that counts the kept ones instead is told so."""
    kept = replace(SPLIT, class_numbers=(3, 0, 1))
    noise = FromFile(path=str(tmp_path / "a.npy"))
    np.save(tmp_path / "a.npy", np.array([0, 1, 3, 3, 1, 0]))
    assert noise.corrupt(kept, 3, RNG).tolist() == [1, 2, 0, 0, 2, 1]
    np.save(tmp_path / "a.npy", np.array([0, 1, 2, 2, 1, 0]))
    with pytest.raises(
        UserError, match=r"label 2 in row 2; dataset\.classes keeps 3, 0, 1, by the data set's own numbers"
    ):
        noise.corrupt(kept, 3, RNG)


def test_a_whole_run_reads_the_data_sets_own_numbers(train, tmp_path):
    """Every second dress is called a t-shirt; the file has all ten classes, as published files do."""
    make_idx(tmp_path / "data_root", "FashionMNIST")
    labels = np.arange(200) % 10
    labels[3::20] = 0
    np.save(tmp_path / "a.npy", labels)
    train(
        "dataset=fashion_mnist", "dataset.classes=[0,1,3]", "model=mlr", "noise_model=from_file",
        f"noise_model.path={tmp_path / 'a.npy'}", "trainer.epochs=1",
    )  # fmt: skip
    (record,) = (tmp_path / "runs_root").glob("*/metrics.json")
    metrics = json.loads(record.read_text())
    column = [metrics[f"data/train/T.{i}.2"] for i in range(3)]
    assert column == [column[0], 0, 1 - column[0]]
    assert 0.3 < column[0] < 0.7
    assert metrics["data/train/T.0.0"] == metrics["data/train/T.1.1"] == 1


def test_a_file_one_short_is_refused_though_the_last_example_is_not_for_training(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(5))
    with pytest.raises(UserError, match="5 labels, but the data set has 6 examples"):
        FromFile(path=str(tmp_path / "a.npy")).corrupt(SPLIT.select(np.array([0, 3])), 3, RNG)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("content", "sentence"), [
    (np.zeros(7), "7 labels, but the data set has 6 examples"),
    (np.array([0, 1, 3, 0, 0, 0]), "label 3 in row 2; whole numbers from 0 to 2 are possible"),
    (np.array([0, 1, 0.5, 0, 0, 0]), "label 0.5 in row 2; whole numbers"),
    (np.array([0, np.inf, 0, 0, 0, 0]), "label inf in row 1; whole numbers"),
    (np.array([0, 0, 0, 0, 0, np.nan]), "label nan in row 5; whole numbers"),
    (np.array([1e300, 0, 0, 0, 0, 0]), r"label 1e\+300 in row 0; whole numbers"),
    (np.zeros((6, 2)), r"one number for each example is needed, not float64 \(6, 2\)"),
])  # fmt: skip
def test_a_wrong_file_is_a_sentence(tmp_path, content, sentence):
    np.save(tmp_path / "a.npy", content)
    with pytest.raises(UserError, match=sentence):
        FromFile(path=str(tmp_path / "a.npy")).corrupt(SPLIT, 3, RNG)


@pytest.mark.filterwarnings("error")
def test_no_file_and_no_numbers(tmp_path):
    with pytest.raises(UserError, match=r"no such file \(noise_model\.path\)"):
        FromFile(path=str(tmp_path / "b.npy")).corrupt(SPLIT, 3, RNG)
    for content, sentence in (
        ("cat\ndog\n", "not a file of labels"),
        ("0 1\n", "not a file of labels"),
        ("", "0 labels"),
    ):
        (tmp_path / "c.txt").write_text(content)
        with pytest.raises(UserError, match=sentence):
            FromFile(path=str(tmp_path / "c.txt")).corrupt(SPLIT, 3, RNG)


def test_another_file_is_another_run(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("0\n1\n")
    before = FromFile(path=str(path)).fingerprint()
    path.write_text("0\n2\n")
    assert before != FromFile(path=str(path)).fingerprint() != ""
