from dataclasses import replace

import numpy as np
import pytest

from src.errors import UserError
from src.protocols.kfold import KFold
from tests.contracts.test_protocols import splits_of


@pytest.mark.parametrize("on", ["train", "test"])
def test_the_folds_cover_their_pool_once_and_each_class_alike(on):
    splits = splits_of()
    pool = splits.train if on == "train" else splits.test
    parts = [KFold(pool=on).apply(splits, seed) for seed in range(5)]
    judged = np.concatenate([part.test.rows for part in parts])
    assert sorted(judged) == sorted(pool.rows)
    for part in parts:
        assert np.bincount(part.test.clean).tolist() == [6, 6, 6]
    again = KFold(pool=on).apply(splits, 5)
    assert not np.array_equal(again.test.rows, parts[0].test.rows), "seed 5 is the first fold of another shuffle"


def test_on_the_test_split_no_label_is_wrong_and_nothing_else_is_read():
    splits = splits_of()
    part = KFold(pool="test").apply(splits, 0)
    for one in (part.train, part.val, part.test):
        assert np.array_equal(one.labels, one.clean)
        assert set(one.rows.tolist()) <= set(splits.test.rows.tolist())
    assert len(part.train) + len(part.val) + len(part.test) == len(splits.test)


def test_on_the_training_split_the_labels_learned_from_are_the_wrong_ones():
    splits = splits_of()
    part = KFold().apply(splits, 0)
    assert (part.train.labels != part.train.clean).mean() == pytest.approx(1 / 3, abs=0.05)
    assert np.array_equal(part.val.rows, splits.val.rows)


def test_hidden_labels_are_a_sentence():
    splits = splits_of()
    clean = np.where(np.arange(len(splits.train)) < 7, -1, splits.train.clean)
    with pytest.raises(UserError, match="the right labels of 7 examples of the train split are not known"):
        KFold().apply(replace(splits, train=replace(splits.train, clean=clean)), 0)


def test_too_few_examples_are_a_sentence():
    with pytest.raises(UserError, match=r"30 examples of class 'a' in the test split; 20 folds need 40"):
        KFold(pool="test", folds=20).apply(splits_of(), 0)


@pytest.mark.parametrize(("folds", "seeds", "sentence"), [
    (5, range(5), None), (5, range(10), None), (3, [5, 3, 4], None),
    (10, range(5), "judge 5 of 10 folds; hydra.sweeper.seeds=10 "), (5, [0, 5], r"judge 2 of 2 × 5 folds"),
])  # fmt: skip
def test_folds_that_no_seed_judges_are_told(folds, seeds, sentence):
    told = KFold(folds=folds).gap(list(seeds))
    assert told is None if sentence is None else sentence in told


def test_a_command_runs_as_many_seeds_as_there_are_folds_unless_it_says_otherwise(command, tmp_path):
    def planned(*given):
        fixed = ["dataset=digits", "model=mlr", "protocol=kfold", f"runs_root={tmp_path}", "hydra.sweeper.plan=true"]
        done = command("src.run", *fixed, *given)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "1 configuration × 10 seeds" in (whole := planned("protocol.folds=10"))
    assert "judge" not in whole
    some = planned("protocol.folds=10", "hydra.sweeper.seeds=[0,1,2,3]")
    assert "× 4 seeds" in some
    assert "the seeds judge 4 of 10 folds" in some
