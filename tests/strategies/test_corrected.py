"""How strategies come by their transition matrix: known, estimated out of fold, from another run, or given."""

import json

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir

from src.errors import UserError
from src.noise_models import estimators
from src.noise_models.sampling import corrupt, realised
from src.strategies import corrected, out_of_fold
from src.strategies.corrected import from_run, hidden, write
from src.strategies.flipped import Flipped
from src.strategies.forward import Forward
from src.strategies.noise_adaptation import NoiseAdaptation
from src.strategies.rmlr import RMLR
from src.strategies.t_revision import TRevision
from src.task import Task
from src.transition_matrix import TransitionMatrix
from tests.conftest import ROOT
from tests.strategies.fitting import blobs, ready, scores, split_of, trainer_on
from tests.strategies.linear import T


def noisy(folder, n=1200, spread=1.0, matrix=T):
    """A trainer on blobs whose labels are wrong by T, or another matrix."""
    x, clean = blobs(n, spread=spread)
    observed = corrupt(clean, matrix, "exact", np.random.default_rng(0))
    folder.mkdir(exist_ok=True)
    trainer = trainer_on(folder, split_of(x, observed, clean), epochs=4, batch_size=100)
    trainer.make_optimizer = lambda groups: torch.optim.Adam(groups, 0.05)
    trainer.make_schedule = lambda optimizer, total_steps: None
    return trainer


def learn(strategy, trainer):
    """The matrix that a training uses, and what it says of it."""
    task, model = ready(strategy, trainer)
    task = Task(**{**vars(task), "transition": T})
    strategy.setup(task, model, trainer.balance.criterion)
    strategy.fit(task, model, trainer)
    return TransitionMatrix(strategy.T.double().numpy()), strategy.facts(trainer.train, trainer.folder)


@pytest.mark.parametrize(("estimator", "near"), [("anchor", 0.35), ("confident_joint", 0.2), ("em", 0.2)])
def test_estimates_come_near_the_truth_and_report_their_error(tmp_path, estimator, near):
    found, facts = learn(Forward(transition="estimated", estimator=estimator), noisy(tmp_path))
    assert facts["transition/error"] == pytest.approx(estimators.error(found, T), abs=1e-6)
    assert facts["transition/error"] < near
    assert facts["transition/T.0.1"] == pytest.approx(found.columns[0, 1], abs=1e-6)
    record = json.loads((tmp_path / "transition.json").read_text())
    assert record["source"] == f"estimated: {estimator}"
    assert not list(tmp_path.glob("fold-*"))
    assert not (tmp_path / "em").exists()


def test_dual_t_is_what_its_estimator_finds_out_of_fold(tmp_path, monkeypatch):
    seen = {}

    def spy(*arguments):
        seen["p"] = out_of_fold.out_of_fold(*arguments)
        return seen["p"]

    monkeypatch.setattr(corrected, "out_of_fold", spy)
    trainer = noisy(tmp_path)
    found, _ = learn(Forward(transition="estimated", estimator="dual_t"), trainer)
    expected = estimators.dual_t(seen["p"], trainer.train.labels, 0.97)
    np.testing.assert_allclose(found.columns, expected.columns, atol=1e-6)


def test_no_example_is_judged_by_a_model_that_has_seen_it(tmp_path, monkeypatch):
    trainer = noisy(tmp_path, n=300)
    learned = []
    original = type(trainer).on

    def on(self, which, name, **options):
        learned.append(set(np.arange(300)[which]))
        return original(self, which, name, **options)

    judged = []
    monkeypatch.setattr(type(trainer), "on", on)
    monkeypatch.setattr(
        out_of_fold, "probabilities",
        lambda predictor, inputs, rows, device: judged.append(set(rows.tolist())) or np.full((len(rows), 3), 1 / 3),
    )  # fmt: skip
    strategy = Forward()
    task, model = ready(strategy, trainer)
    p = out_of_fold.out_of_fold(task, model, trainer, 3)
    assert p.shape == (300, 3)
    assert [len(rows) for rows in judged] == [100, 100, 100]
    assert all(not a & b and len(a | b) == 300 for a, b in zip(learned, judged, strict=True))


def test_too_few_examples_are_refused(tmp_path):
    for estimator in ("anchor", "em"):
        with pytest.raises(UserError, match="too few examples to estimate the label noise"):
            learn(Forward(transition="estimated", estimator=estimator), noisy(tmp_path / estimator, n=24))


SINGULAR = TransitionMatrix([[0.5, 0.5, 0.1], [0.4, 0.4, 0.1], [0.1, 0.1, 0.8]])


@pytest.mark.parametrize("strategy", [Forward, RMLR, NoiseAdaptation, TRevision], ids=lambda s: s.__name__)
def test_what_a_singular_matrix_hides_is_said_and_the_rest_is_learned(tmp_path, strategy, caplog):
    trainer = noisy(tmp_path, matrix=SINGULAR)
    learner = strategy(transition=SINGULAR.columns.tolist())
    task, model = ready(learner, trainer)
    predictor = learner.fit(task, model, trainer)
    assert "its columns of 'a' and 'b' are equal, so observed labels do not tell these classes apart" in caplog.text
    found = scores(predictor, blobs(600, seed=1)[0]).argmax(dim=1).numpy()
    assert np.mean((found == 2) == (blobs(600, seed=1)[1] == 2)) > 0.95


def test_a_singular_matrix_may_hide_a_class_behind_a_mixture_of_others(caplog):
    mixed = TransitionMatrix([[0.8, 0.1, 0.45], [0.1, 0.8, 0.45], [0.1, 0.1, 0.1]])
    assert mixed.singular
    assert mixed.alike() is None
    assert "do not tell how probable every true class is" in hidden(mixed, ("a", "b", "c"))


def test_without_a_stated_truth_the_error_is_that_against_what_the_labels_show(tmp_path):
    """As with labels from a file, or wrong ones that depend on the example."""
    trainer = noisy(tmp_path)
    strategy = Forward(transition=np.eye(3).tolist())
    task, model = ready(strategy, trainer)
    strategy.fit(task, model, trainer)
    facts = strategy.facts(trainer.train, tmp_path)
    assert "transition/error" not in facts
    shown, _ = realised(trainer.train.clean, trainer.train.labels, 3)
    assert facts["transition/error_realised"] == pytest.approx(estimators.error(TransitionMatrix.identity(3), shown))
    right = trainer.train.with_labels(trainer.train.clean)
    assert "transition/error_realised" not in strategy.facts(right, tmp_path), "no label is known to be wrong"


def recorded(root, name, matrix, status="finished", task=None):
    folder = root / name
    folder.mkdir(exist_ok=True)
    write(folder / "transition.json", matrix, "known", task or Task(("a", "b", "c"), ("all",), "vector", (4,)))
    (folder / "DONE").write_text(json.dumps({"status": status}))
    return folder


@pytest.mark.parametrize("strategy", [RMLR, Flipped, Forward])
@pytest.mark.parametrize("spelled", ["from_run:lenet-forward-abc123", "from_run=abc123"])
def test_another_runs_matrix_is_used_as_it_is(tmp_path, strategy, spelled):
    recorded(tmp_path, "lenet-forward-abc123", T)
    found, facts = learn(strategy(transition=spelled), noisy(tmp_path / "mine"))
    np.testing.assert_allclose(found.columns, T.columns, atol=1e-6)
    assert facts["transition/error"] == pytest.approx(0)


def test_a_run_is_found_by_its_exact_name_or_key_if_it_has_finished(tmp_path):
    task = Task(("a", "b", "c"), ("all",), "vector", (4,))
    recorded(tmp_path, "est-abc", T)
    recorded(tmp_path, "est-abc-2", TransitionMatrix.identity(3))
    recorded(tmp_path, "est-def", T, status="failed")
    np.testing.assert_array_equal(from_run("est-abc", tmp_path, task, 0).columns, T.columns)
    np.testing.assert_array_equal(from_run("abc-2", tmp_path, task, 0).columns, np.eye(3))
    for name in ("*", "st-ab", "def", "nothing"):
        with pytest.raises(UserError, match="no finished run of that name or key"):
            from_run(name, tmp_path, task, 0)
    for others in (("a", "b"), ("c", "b", "a")):
        with pytest.raises(UserError, match="its matrix is 3×3, of the classes a, b, c; those here are"):
            from_run("est-abc", tmp_path, Task(others, ("all",), "vector", (4,)), 0)


def test_of_a_studys_configuration_it_is_the_run_of_the_same_seed(tmp_path):
    task = Task(("a", "b", "c"), ("all",), "vector", (4,))
    trial = tmp_path / "studies/s/trials/00003"
    trial.mkdir(parents=True)
    (trial / "result.json").write_text("{}")
    for seed, matrix in ((0, T), (7, TransitionMatrix.identity(3))):
        (trial / f"seed-{seed}").symlink_to(recorded(tmp_path, f"est-{seed}", matrix))
        np.testing.assert_array_equal(from_run(str(trial), tmp_path, task, seed).columns, matrix.columns)
        np.testing.assert_array_equal(from_run(str(trial.with_name("3")), tmp_path, task, seed).columns, matrix.columns)
    with pytest.raises(UserError, match="00003: no finished run of seed 1 there recorded a transition matrix"):
        from_run(str(trial), tmp_path, task, 1)
    with pytest.raises(UserError, match="00004: no finished run of seed 0 there recorded a transition matrix"):
        from_run(str(trial.with_name("4")), tmp_path, task, 0)


@pytest.mark.parametrize("spelled", ":=")
def test_a_run_is_another_one_when_the_matrix_that_it_takes_from_a_run_is(tmp_path, spelled):
    strategy, found = Forward(transition=f"from_run{spelled}est-abc"), set()
    for matrix in (T, TransitionMatrix.identity(3), T):
        recorded(tmp_path, "est-abc", matrix)
        found.add(strategy.fingerprint(tmp_path, 0))
    assert len(found) == 2
    assert Forward(transition="estimated").fingerprint(tmp_path, 0) == ""
    with pytest.raises(UserError, match="no finished run of that name or key"):
        Forward(transition=f"from_run{spelled}nothing").fingerprint(tmp_path, 0)


def test_a_resumed_run_does_not_estimate_again(tmp_path):
    trainer = noisy(tmp_path)
    write(tmp_path / "transition.json", T, "estimated: anchor", Task(("a", "b", "c"), ("all",), "vector", (4,)))
    found, _ = learn(Forward(transition="estimated"), trainer)
    np.testing.assert_allclose(found.columns, T.columns, atol=1e-6)


def test_the_matrix_a_training_began_with_is_kept_beside_the_learned_one(tmp_path):
    found, facts = learn(NoiseAdaptation(transition="known", start=0.0), noisy(tmp_path))
    record = json.loads((tmp_path / "transition.json").read_text())
    np.testing.assert_allclose(record["began"]["matrix"], T.columns)
    assert facts["transition/error_at_start"] == pytest.approx(0)
    assert facts["transition/error"] > 0
    assert found is not None


def test_decoding_nothing_needs_no_matrix(tmp_path):
    trainer = noisy(tmp_path)
    strategy = Flipped(decode="none")
    task, model = ready(strategy, trainer)
    assert task.transition is None
    strategy.fit(task, model, trainer)
    assert strategy.facts(trainer.train, tmp_path) == {}


def test_the_command_line_takes_the_name_of_a_run():
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        composed = compose("config", ["strategy=rmlr", "strategy.transition=from_run:digits-mlr-forward-0e8"])
    assert composed.strategy.transition == "from_run:digits-mlr-forward-0e8"
