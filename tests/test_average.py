"""The average of runs: the mean of their probabilities, judged as they were, beside what they reach alone."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from src import finished, runs
from src.average import Options, average, averaged, main, measured
from src.errors import UserError
from src.evaluation import predictions
from src.evaluation.predictions import Predictions

DIGITS = ["dataset=digits", "dataset.classes=[3,8,9]", "model=mlr", "optimizer=adam", "schedule=none", "figures=false",
          "trainer.epochs=1", "optimizer.lr=0.01", "protocol=repeats"]  # fmt: skip


def said(p, labels=(0, 1, 1)):
    y, n = np.array(labels), len(labels)
    return Predictions(np.array(p, dtype=np.float32), y, y, np.zeros(n, dtype=np.int64), np.ones(n), np.arange(n))


TASK = {
    "predicts": "class", "class_names": ["a", "b"], "domain_names": ["all"], "natural_prior": None, "recall": None,
    "training_prior": [0.5, 0.5], "deployed_prior": [0.5, 0.5], "monitor": "val/loss", "class_counts": [5, 5],
}  # fmt: skip


@pytest.fixture
def written(tmp_path):
    """A finished run's folder, made of what it said."""

    def write(name, p, labels=(0, 1, 1), fingerprint="f", score="val/accuracy", splits=("val", "test"), **task):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        found = {split: said(p, labels) for split in splits}
        predictions.save(folder / "predictions.npz", **found)
        described = {**TASK, **task}
        for file, content in {
            "task.json": described,
            "record.json": {"id": f"id of {name}", "seed": len(name), "data_fingerprint": fingerprint},
            "metrics.json": {"cost/parameters": 10.0},
            "config.yaml": {"score": score},
            "DONE": {"status": "finished"},
        }.items():
            (folder / file).write_text(json.dumps(content))
        scores = measured(found, described, [folder])
        alone = {name: value for name, value in scores.items() if not name.startswith("members/")}
        (folder / "metrics.json").write_text(json.dumps({"score": alone.get(score), **alone}))
        return folder

    return write


A = [[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]]
B = [[0.4, 0.6], [0.1, 0.9], [0.3, 0.7]]


def of(*folders, figures=False):
    return average(Options(runs=[str(folder) for folder in folders], runs_root=str(folders[0].parent), figures=figures))


def metrics(folder):
    return json.loads((folder / "metrics.json").read_text())


def test_two_members_by_hand(written):
    """Each is wrong once (A on the second, B on the first example), their mean never."""
    folder = of(written("a", A), written("b", B))
    test = predictions.load(folder / "predictions.npz")["test"]
    np.testing.assert_allclose(test.probabilities, [[0.65, 0.35], [0.35, 0.65], [0.25, 0.75]], rtol=1e-6)
    found = metrics(folder)
    assert found["test/accuracy"] == found["val/accuracy"] == found["score"] == 1
    assert found["members/test/accuracy.mean"] == pytest.approx(2 / 3)
    assert found["members/test/accuracy.std"] == 0
    assert found["members/count"] == 2
    assert found["test/loss"] == pytest.approx(-np.log([0.65, 0.65, 0.75]).mean(), rel=1e-6)
    alone = [-np.log(p).mean() for p in ([0.9, 0.4, 0.8], [0.4, 0.9, 0.7])]
    assert found["members/test/loss.mean"] == pytest.approx(np.mean(alone), rel=1e-6)
    assert found["members/test/loss.std"] == pytest.approx(np.std(alone, ddof=1), rel=1e-5)
    assert found["cost/parameters"] == 20


def test_the_mean_is_never_worse_in_loss_than_its_members_are_on_average():
    """Jensen's inequality, for -log."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 200)
    members = {name: {"val": said(rng.dirichlet(np.ones(3), 200), y)} for name in range(5)}
    at_label = [found["val"].probabilities[np.arange(200), y] for found in members.values()]
    mean = averaged(members)["val"].probabilities[np.arange(200), y]
    assert -np.log(mean).mean() < np.mean([-np.log(p).mean() for p in at_label])


@pytest.mark.parametrize("copies", [1, 2, 3])
def test_of_copies_of_a_run_it_is_the_run_to_the_bit(written, copies):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 50)
    first = written("run", rng.dirichlet([1, 1], 50), y)
    others = [shutil.copytree(first, first.with_name(f"copy{k}")) for k in range(1, copies)]
    folder = of(first, *others)
    for split, alone in predictions.load(first / "predictions.npz").items():
        assert np.array_equal(predictions.load(folder / "predictions.npz")[split].probabilities, alone.probabilities)
    found, alone = metrics(folder), metrics(first)
    alone.pop("cost/parameters")
    assert {name: found[name] for name in alone} == alone


def test_the_order_of_the_members_does_not_matter_and_it_is_made_once(written):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 50)
    a, b, c = (written(name, rng.dirichlet([1, 1], 50), y) for name in "abc")
    folder = of(a, b, c)
    made = (folder / "metrics.json").stat().st_mtime_ns
    assert of(c, a, b) == folder
    assert (folder / "metrics.json").stat().st_mtime_ns == made
    assert of(a, b) != folder


def test_its_record_reads_like_a_runs(written):
    folder = of(written("a", A), written("b", B), figures=True)
    record = runs.read_json(folder / "record.json")
    assert record["members"] == ["a", "b"]
    assert record["seed"] == [1, 1]
    assert runs.load_run(record["key"], folder.parent) == folder
    assert finished.named(folder.name, folder.parent) == folder
    assert (folder / "figures" / "confusion.png").exists()
    again = of(folder, folder.with_name("a"))  # an average may be averaged
    p = predictions.load(again / "predictions.npz")["val"].probabilities
    np.testing.assert_allclose(p, 0.75 * np.array(A) + 0.25 * np.array(B), rtol=1e-6)


def test_a_split_that_not_all_have_read_is_left_out(written):
    folder = of(written("a", A), written("b", B, splits=["val"]))
    assert [*predictions.load(folder / "predictions.npz")] == ["val"]
    assert not any(name.startswith("test") for name in metrics(folder))


def test_class_mixes_are_known_only_if_they_are_alike(written):
    folder = of(written("a", A), written("b", B, training_prior=[0.4, 0.6]))
    task = json.loads((folder / "task.json").read_text())
    assert task["training_prior"] is task["deployed_prior"] is None
    assert task["class_counts"] == [5, 5]


@pytest.mark.parametrize(("other", "why"), [
    ({"labels": (0, 1, 0)}, "the labels of their val examples differ"),
    ({"p": A[:2], "labels": (0, 1)}, "the labels of their val examples differ"),
    ({"class_names": ["a", "c"]}, r"their class_names differ \(\['a', 'b'\] and \['a', 'c'\]\)"),
    ({"fingerprint": "g"}, r"their data_fingerprint differ \(f and g\)"),
    ({"score": "val/loss"}, r"their score differ \(val/accuracy and val/loss\)"),
    ({"natural_prior": [0.9, 0.1]}, "their natural_prior differ"),
])  # fmt: skip
def test_members_that_do_not_fit_are_refused_by_a_sentence(written, other, why):
    with pytest.raises(UserError, match=f"a and b cannot be averaged: {why}"):
        of(written("a", A), written("b", **{"p": B, **other}))


def test_runs_scored_by_what_they_say_of_observed_labels_are_refused(written):
    with pytest.raises(UserError, match=r"its score is val/observed_loss, which an average does not have"):
        of(*(written(name, p, score="val/observed_loss") for name, p in (("a", A), ("b", B))))


def reported(folder, **metrics):
    """Add to the metrics of a run."""
    path = folder / "metrics.json"
    path.write_text(
        json.dumps(json.loads(path.read_text()) | {name.replace("__", "/"): x for name, x in metrics.items()})
    )
    return folder


def test_heads_beside_the_class_are_named_and_not_averaged(written, capsys):
    a = reported(written("a", A), val__semantic__accuracy=0.5, test__semantic__accuracy=0.5)
    b = reported(written("b", B), val__vertex__resolution=9.0)
    folder = of(a, b)
    assert runs.read_json(folder / "record.json")["not_averaged"] == ["semantic", "vertex"]
    assert not any("semantic" in name or "vertex" in name for name in metrics(folder))
    assert main([f"runs=[{a},{b}]", f"runs_root={a.parent}", "figures=false"]) == 0
    assert "not averaged: semantic, vertex" in capsys.readouterr().out
    alone = of(b.parent / "a", written("c", A))
    assert runs.read_json(alone / "record.json")["not_averaged"] == ["semantic"]
    assert "not_averaged" not in runs.read_json(of(b.parent / "c", written("d", B)) / "record.json")


def test_runs_scored_by_a_head_beside_the_class_are_refused(written, tmp_path):
    folders = [reported(written(name, A), val__semantic__accuracy=0.5) for name in "ab"]
    for folder in folders:
        (folder / "config.yaml").write_text(json.dumps({"score": "val/semantic/accuracy"}))
    with pytest.raises(UserError, match=r"its score is val/semantic/accuracy, and what the head 'semantic' says"):
        of(*folders)
    assert not [*folders[0].parent.glob("ensemble-*")]


def test_other_rows_are_other_examples():
    one, other = said(A), replace(said(A), rows=np.array([3, 4, 5]))
    with pytest.raises(UserError, match=r"the rows of their val examples differ; .* protocol=repeats"):
        averaged({runs.Path("a"): {"val": one}, runs.Path("b"): {"val": other}})


@pytest.mark.parametrize(("arguments", "why"), [
    (["runs=[a,a]"], "a is named twice"),
    (["runs=[]"], "no run to average"),
    (["runs=[a,c]"], "run=c: no such run"),
    (["runs=[a,unfinished]"], "only a finished run can score"),
    (["runs=[a]", "study=s"], "one of them"),
    (["runs=[a]", "trial=3"], "of which study"),
    (["study=s", "studies_root=nowhere"], "no such study"),
    (["study=s", "trial=best"], "trial=best: should be an integer"),
    (["rnus=[a]"], "did you mean 'runs'"),
    (["a"], "give key=value"),
])  # fmt: skip
def test_mistakes_are_sentences(written, capsys, arguments, why):
    folder = written("a", A)
    (written("unfinished", A) / "DONE").unlink()
    assert main([f"runs_root={folder.parent}", *arguments]) == 2
    assert why in capsys.readouterr().err


def test_a_trials_seeds(written, tmp_path):
    a, b, c = written("a", A), written("b", B), written("c", A)
    study = tmp_path / "studies" / "s"
    manifest = {
        "name": "s",
        "objectives": {"val/accuracy": "maximize"},
        "total": 2,
        "runs_root": str(a.parent),
        "oracle": False,
    }
    study.mkdir(parents=True)
    (study / "manifest.json").write_text(json.dumps(manifest))
    for number, (seeds, value) in enumerate([([a, b], 0.9), ([c], 0.8)]):
        trial = study / "trials" / f"{number:05d}"
        trial.mkdir(parents=True)
        (trial / "trial.json").write_text(json.dumps({"number": number, "label": ""}))
        result = {"status": "finished", "feasible": True, "values": {"val/accuracy": value},
                  "seeds": {str(k): {"run": run.name, "status": "finished"} for k, run in enumerate(seeds)}}  # fmt: skip
        (trial / "result.json").write_text(json.dumps(result))
    assert finished.seeds_of(study, None) == [a, b]
    assert finished.seeds_of(study, 1) == [c]
    with pytest.raises(UserError, match="trial=7: study=s has no finished run of it"):
        finished.seeds_of(study, 7)
    folder = average(Options(study="s", studies_root=str(study.parent), figures=False))
    assert folder == of(a, b)


def test_the_command_averages_two_trainings(train, command, tmp_path):
    train(*DIGITS, "seed=0")
    train(*DIGITS, "seed=1")
    root = tmp_path / "runs_root"
    names = [folder.name for folder in runs.run_folders(root)]
    done = command("src.average", f"runs=[{','.join(names)}]", f"runs_root={root}", "figures=false")
    assert done.returncode == 0, done.stderr
    (folder,) = root.glob("ensemble-*")
    assert str(folder) in done.stdout
    members = [predictions.load(root / name / "predictions.npz")["test"] for name in names]
    mean = np.mean([one.probabilities for one in members], axis=0)
    found = metrics(folder)
    p = predictions.load(folder / "predictions.npz")["test"].probabilities
    np.testing.assert_allclose(p, mean, atol=1e-7)
    assert found["test/accuracy"] == pytest.approx((mean.argmax(axis=1) == members[0].clean).mean())
    assert f"{found['members/test/loss.mean']:.4f} ± {found['members/test/loss.std']:.4f}" in done.stdout


def test_seeds_that_draw_their_own_split_are_refused(train, tmp_path):
    for seed in (0, 1):
        train(*DIGITS, "protocol=single", f"seed={seed}")
    folders = runs.run_folders(tmp_path / "runs_root")
    with pytest.raises(UserError, match=r"of their val examples differ; .* protocol=repeats"):
        of(*folders)
