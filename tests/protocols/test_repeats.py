import json

import numpy as np
import pytest

from src.errors import UserError
from src.protocols.repeats import Repeats
from tests.contracts.test_protocols import splits_of


def test_a_random_share_of_the_training_set_for_each_seed():
    splits = splits_of()
    parts = [set(Repeats(share=0.9).apply(splits, seed).train.rows.tolist()) for seed in range(10)]
    assert {len(part) for part in parts} == {81}
    assert len({tuple(sorted(part)) for part in parts}) == 10
    assert set.union(*parts) == set(splits.train.rows.tolist())
    assert len(parts[0] & parts[1]) == pytest.approx(0.81 * 90, abs=6)
    one = Repeats().apply(splits, 0)
    assert np.array_equal(one.test.rows, splits.test.rows)
    assert np.array_equal(one.val.rows, splits.val.rows)


def test_nothing_left_is_a_sentence():
    with pytest.raises(UserError, match=r"protocol\.share=0\.01: of 90 training examples 1 would be kept"):
        Repeats(share=0.01).apply(splits_of(), 0)
    with pytest.raises(ValueError, match="greater than 0"):
        Repeats(share=0.0)


def test_validation_may_be_what_a_run_leaves_out():
    splits = splits_of()
    part = Repeats(validation="rest").apply(splits, 0)
    assert (len(part.train), len(part.val)) == (162, 18)
    both = set(splits.train.rows.tolist()) | set(splits.val.rows.tolist())
    assert set(part.train.rows.tolist()) | set(part.val.rows.tolist()) == both
    assert not set(part.train.rows.tolist()) & set(part.val.rows.tolist())
    wrong = dict(zip(splits.train.rows, splits.train.labels != splits.train.clean, strict=True))
    for one in (part.train, part.val):
        assert [wrong.get(row, False) for row in one.rows] == (one.labels != one.clean).tolist()


@pytest.mark.slow
def test_one_command_runs_all_and_another_method_meets_the_same_parts(command, tmp_path):
    """Wrong labels and subsets are the same for both methods, and the runs lie under one parent in MLflow."""
    places = [f"runs_root={tmp_path / 'runs'}", f"hydra.sweeper.studies_root={tmp_path / 'studies'}"]
    base = [
        "protocol=repeats",
        "hydra.sweeper.seeds=[0,1,2]",
        "dataset=digits",
        "model=mlr",
        "noise_model=uniform",
        *places,
    ]
    for strategy in ("erm", "rmlr"):
        done = command("src.run", *base, f"strategy={strategy}", f"hydra.sweeper.study={strategy}")
        assert done.returncode == 0, done.stderr
        assert "(3 seeds)" in done.stdout
    found = {}
    for path in (tmp_path / "runs").glob("*/metrics.json"):
        record = json.loads((path.parent / "record.json").read_text())
        metrics = json.loads(path.read_text())
        found[path.parent.name.split("-")[2], record["seed"]] = {
            k: v for k, v in metrics.items() if k.startswith("data/")
        }
    assert len(found) == 6
    for seed in range(3):
        assert found["erm", seed] == found["rmlr", seed]
    assert len({found["erm", seed]["data/train/flip_rate"] for seed in range(3)}) == 3
    assert len({found["erm", seed]["data/val/flip_rate"] for seed in range(3)}) == 1
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'runs/mlflow.db'}")
    experiment = client.get_experiment_by_name("kilter")
    runs = client.search_runs([experiment.experiment_id])
    parents = {run.info.run_id: run.data.tags.get("mlflow.parentRunId") for run in runs}
    depth = lambda run: 0 if parents[run] is None else 1 + depth(parents[run])  # noqa: E731
    assert sorted(depth(run) for run in parents) == [0, 0, 1, 1, 2, 2, 2, 2, 2, 2]
