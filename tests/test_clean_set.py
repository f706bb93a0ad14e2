"""A few examples with right labels: they choose the epoch, and end the training."""

import json

import numpy as np
import pytest

from src import checkpoint, config, experiment, runs
from src.errors import UserError
from tests.test_training import same, weights

FEW = ["dataset=digits", "model=lenet", "optimizer=adam", "schedule=onecycle", "noise_model=uniform",
       "dataset.train_size=300", "dataset.clean.per_class=2", "trainer.epochs=3", "trainer.num_threads=1"]  # fmt: skip


@pytest.fixture
def root(tmp_path):
    return tmp_path / "runs"


@pytest.fixture
def run(compose, root):
    """Run a command; returns its folder."""

    def _run(*overrides, runs_root=root):
        cfg = compose(*FEW, *overrides, f"runs_root={runs_root}", "tracking.enabled=false", "figures=false",
                      "trainer.progress=lines", "trainer.device=cpu")  # fmt: skip
        opened = []
        experiment.run(config.check(cfg), opened=opened.append)
        return opened[0]

    return _run


def metrics_of(folder):
    return json.loads((folder / "metrics.json").read_text())


def test_the_epoch_is_the_best_on_the_clean_set_and_of_equals_the_one_of_least_loss(run):
    folder = run("trainer.select=clean")
    seen = [
        (line["metrics"]["clean/balanced_accuracy"], -line["metrics"]["clean/loss"]) for line in runs.history(folder)
    ]
    assert metrics_of(folder)["selected_epoch"] == 1 + seen.index(max(seen))
    assert checkpoint.load(folder / "clean.pt")["epoch"] == 1 + seen.index(max(seen))
    assert metrics_of(folder)["data/clean/size"] == 20


def test_without_a_clean_set_nothing_is_said_of_one(run):
    folder = run("dataset.clean.per_class=null")
    assert not (folder / "clean.pt").exists()
    assert not any(name.startswith("clean/") for name in runs.history(folder)[0]["metrics"])


@pytest.mark.parametrize(
    ("plain", "then"),
    [("last", ["trainer.select=clean"]), ("best", ["trainer.finetune_steps=5"]), ("last", ["trainer.select=last", "trainer.finetune_steps=5"])],
)  # fmt: skip
@pytest.mark.parametrize("method", [[], ["strategy=confident_learning", "dataset.train_size=1000"]])
def test_a_run_that_differs_after_the_epochs_does_not_repeat_them(run, tmp_path, plain, then, method):
    plain, then = run(f"trainer.select={plain}", *method), [*then, *method]
    again = run(*then)
    log = (again / "log.txt").read_text()
    assert f"the epochs are those of {plain}" in log
    assert "epoch 1/3" not in log
    assert [line["metrics"] for line in runs.history(again)] == [line["metrics"] for line in runs.history(plain)]
    assert json.loads((again / "record.json").read_text())["epochs_of"] == plain.name
    assert_as_if_anew(run, again, then, tmp_path)


def assert_as_if_anew(run, again, then, tmp_path):
    anew = run(*then, runs_root=tmp_path / "elsewhere")
    assert "epoch 1/3" in (anew / "log.txt").read_text()
    used = "finetuned.pt" if any("finetune" in change for change in then) else "clean.pt"
    assert same(weights(again, used), weights(anew, used))
    found, expected = metrics_of(again), metrics_of(anew)
    assert {name: found[name] for name in found if "per_second" not in name} == {
        name: expected[name] for name in expected if "per_second" not in name
    }


def test_the_rate_of_fine_tuning_counts_as_what_is_done_after_the_epochs(run, tmp_path):
    rate = "trainer.finetune_lr=0.0001"
    tuned, slower = run("trainer.finetune_steps=5"), run("trainer.finetune_steps=5", rate)
    plain, alike = run("trainer.select=last"), run("trainer.select=last", rate)
    assert "epoch 1/3" in (plain / "log.txt").read_text()
    for again, source in ((slower, tuned), (alike, plain)):
        assert f"the epochs are those of {source}" in (again / "log.txt").read_text()
    assert_as_if_anew(run, slower, ["trainer.finetune_steps=5", rate], tmp_path)
    before = weights(tuned, "best.pt")
    moved = [
        max((weights(each, "finetuned.pt")[n] - p).abs().max() for n, p in before.items()) for each in (tuned, slower)
    ]
    assert 0 < moved[1] < 0.1 * moved[0], "five steps of Adam at a fiftieth of its rate"


def test_other_data_another_seed_or_force_are_other_epochs(run):
    run("trainer.select=last")
    for other in (["seed=1"], ["dataset.clean.per_class=3"], ["force=true"]):
        assert "the epochs are those" not in (run("trainer.select=clean", *other) / "log.txt").read_text()


def test_fine_tuning_starts_from_the_selected_epoch_and_lowers_the_loss_on_the_clean_set(run):
    folder = run("trainer.finetune_steps=30", "trainer.select=last")
    line = next(text for text in (folder / "log.txt").read_text().splitlines() if "fine-tuned on 20" in text)
    assert float(line.rpartition(" ")[2]) < 0.5 * runs.history(folder)[-1]["metrics"]["clean/loss"]
    assert not same(weights(folder, "finetuned.pt"), weights(folder, "last.pt"))


def test_what_is_judged_is_what_predicts(run, command, tmp_path):
    from sklearn.datasets import load_digits

    folder = run("trainer.finetune_steps=30")
    np.savez(tmp_path / "new.npz", X=load_digits().images)
    done = command("src.predict", f"run={folder}", f"data={tmp_path / 'new.npz'}", f"out={tmp_path / 'scores.csv'}")
    assert done.returncode == 0, done.stderr
    import pandas as pd

    scores = pd.read_csv(tmp_path / "scores.csv").filter(like="p_").to_numpy()
    with np.load(folder / "predictions.npz") as saved:
        rows, p = saved["test.rows"], saved["test.probabilities"]
    np.testing.assert_allclose(scores[rows], p, atol=1e-5)


def test_batch_norm_keeps_its_statistics_while_fine_tuning(run, tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "data_root").mkdir()
    np.savez(tmp_path / "data_root" / "large.npz", X=rng.random((80, 32, 32)).astype(np.float32), y=np.arange(80) % 2)
    large = [
        "dataset=arrays",
        "dataset.path=large.npz",
        "dataset.train_size=null",
        "model=mobilenet",
        "trainer.epochs=1",
    ]
    plain, tuned = run(*large), run(*large, "trainer.finetune_steps=3")
    before, after = weights(plain, "best.pt"), weights(tuned, "finetuned.pt")
    running = [name for name in before if "running_" in name]
    assert running
    assert all((before[name] == after[name]).all() for name in running)


@pytest.mark.parametrize(("wrong", "why"), [
    (["trainer.select=clean", "dataset.clean.per_class=null"], "trainer.select=clean needs examples with right labels"),
    (["trainer.finetune_steps=3", "dataset.clean.per_class=null"], "trainer.finetune_steps needs examples with right"),
    (["trainer.finetune_steps=3", "strategy=ensemble"], "strategy=ensemble does not"),
    (["trainer.finetune_steps=3", "optimizer=lbfgs", "schedule=none"], "add optimizer=adam or optimizer=sgd"),
    (["trainer.finetune_lr=0.0"], r"trainer.finetune_lr=0.0: should be greater than 0"),
    (["dataset.clean.per_class=0"], r"dataset.clean.per_class=0: should be greater than 0"),
    (["dataset.clean.per_clas=3"], r"dataset.clean has no option 'per_clas'; did you mean 'per_class'\?"),
    (["dataset.clean.size=3"], "clean.size and clean.per_class are both set: give one of them"),
])  # fmt: skip
def test_mistakes_are_sentences(compose, wrong, why):
    with pytest.raises(UserError, match=why):
        config.check(compose(*FEW, *wrong))


def test_too_many_clean_examples_are_refused(run):
    with pytest.raises(UserError, match=r"dataset.clean.per_class=500 leaves too few to learn from"):
        run("dataset.clean.per_class=500")


@pytest.mark.parametrize(
    "protocol", [["single"], ["repeats"], ["kfold"], ["kfold", "protocol.pool=test", "noise_model=none"]]
)
@pytest.mark.parametrize("seed", [0, 3])
def test_no_protocol_learns_from_the_clean_set_or_tests_on_it(compose, protocol, seed):
    name, *options = protocol
    cfg = config.check(compose(*FEW, f"protocol={name}", *options, f"seed={seed}"))
    splits = experiment.prepare(cfg, experiment.read(cfg)).splits
    clean, *others = (set(part.rows.tolist()) for part in (splits.clean, splits.train, splits.val, splits.test))
    assert len(clean) == 20
    assert [len(clean & rows) for rows in others] == [0, 0, 0]
    assert np.array_equal(splits.clean.labels, splits.clean.clean)
