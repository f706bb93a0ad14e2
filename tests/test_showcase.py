"""A chosen run is given what it was made without: its test split, figures, and both as if they had been made at once."""

import numpy as np
import pytest
import torch

from src import experiment, explain, runs
from src.errors import UserError
from src.evaluation.predictions import load
from src.evaluation.saliency import grad_cam
from src.models.lenet import LeNet
from src.showcase import showcase
from src.strategies.base import Predictor
from src.strategies.discriminator import Discriminator
from src.strategies.erm import ERM
from src.strategies.freeze_domain_nodes import FreezeDomainNodes
from src.task import Task
from src.tracking import Tracking
from tests.test_training import only_run

RUN = ["dataset=digits", "dataset.imbalance_ratio=5", "model=lenet", "model.channels=[4,8]", "imbalance_strategy=oversample",
       "recall=0.8", "trainer.epochs=2"]  # fmt: skip
OFF = Tracking(enabled=False, uri=None, experiment="-")


def is_sealed(name):
    return name.startswith("test")


def test_the_test_split_of_a_run_is_read_after_the_choice_and_says_the_same(train, tmp_path, monkeypatch):
    read = []
    look = experiment.look
    monkeypatch.setattr(
        experiment, "look", lambda predictor, split, device: read.append(split) or look(predictor, split, device)
    )
    train(*RUN, "figures=false", f"runs_root={tmp_path / 'always'}")
    train(*RUN, "figures=false", "test=chosen", f"runs_root={tmp_path / 'chosen'}")
    at_once, later = (only_run(tmp_path / name) for name in ("always", "chosen"))
    assert len(read) == 3  # validation twice, test once
    assert set(load(later / "predictions.npz")) == {"val"}
    before = runs.read_json(later / "metrics.json")
    assert not any(map(is_sealed, before))
    showcase(later, OFF)
    whole, now = (runs.read_json(folder / "metrics.json") for folder in (at_once, later))
    assert now == pytest.approx(whole, nan_ok=True)
    assert {"test/precision_at_recall.8", "test_natural/accuracy"} <= set(now)
    for name in ("probabilities", "rows", "clean"):
        ours, theirs = (getattr(load(folder / "predictions.npz")["test"], name) for folder in (later, at_once))
        assert np.array_equal(ours, theirs)
    drawn = {path.stem for path in (later / "figures").glob("*.png")}
    assert {"saliency", "precision_recall", "history"} <= drawn
    (later / "figures" / "saliency.png").unlink()
    showcase(later, OFF)  # it has been shown
    assert not (later / "figures" / "saliency.png").exists()


@pytest.mark.parametrize(
    "balance", [["imbalance_strategy=smote"], ["imbalance_strategy=progressive"], ["imbalance_strategy=class_weights"]]
)
def test_the_class_mix_that_the_training_saw_is_remembered(train, tmp_path, balance):
    """What a strategy has become by the end of a training is not there when the run is loaded again."""
    problem = ["dataset=digits", "dataset.imbalance_ratio=5", "model=mlr", "optimizer=adam", "trainer.epochs=2"]
    run = [*problem, *balance, "figures=false"]
    train(*run, f"runs_root={tmp_path / 'always'}")
    train(*run, "test=chosen", f"runs_root={tmp_path / 'chosen'}")
    at_once, later = (only_run(tmp_path / name) for name in ("always", "chosen"))
    showcase(later, OFF)
    whole, now = (runs.read_json(folder / "metrics.json") for folder in (at_once, later))
    assert "test_natural/loss" in whole
    assert now == pytest.approx(whole, nan_ok=True)


def test_a_showcase_that_was_killed_between_its_files_is_done_again(train, tmp_path):
    train(*RUN, "figures=false", "test=chosen")
    folder = only_run(tmp_path / "runs_root")
    before = (folder / "metrics.json").read_text()
    showcase(folder, OFF)
    after = (folder / "metrics.json").read_text()
    (folder / "SHOWN").unlink()
    (folder / "metrics.json").write_text(before)  # as if it had ended after predictions.npz
    showcase(folder, OFF)
    assert (folder / "metrics.json").read_text() == after


def test_watching_the_test_split_is_not_leaving_it_alone(train):
    with pytest.raises(UserError, match=r"trainer\.watch=\[test\] reads the test split after every epoch"):
        train(*RUN, "test=chosen", "trainer.watch=[test]")


def test_figures_of_a_run_that_left_the_test_alone_are_of_validation(train, tmp_path):
    train(*RUN, "test=chosen", "figures=true")
    folder = only_run(tmp_path / "runs_root")
    assert (folder / "figures" / "confusion.png").exists()
    assert (folder / "figures" / "saliency.png").exists()


def predictor(strategy=None, domains=("all",)):
    torch.manual_seed(0)
    task = Task(("a", "b"), domains, "image", (1, 16, 16))
    model = LeNet(channels=[4, 8])
    model.setup(task)
    strategy = strategy or ERM()
    strategy.setup(task, model, lambda log_probs, y: log_probs[:, 0])
    return Predictor(model, strategy)


def split(make_split, n=30, rare=4):
    return make_split(torch.rand(n, 1, 16, 16).numpy(), (np.arange(n) < rare).astype(np.int64))


@pytest.fixture
def make_split():
    from src.datasets.inputs import ArrayInputs
    from src.task import Split

    def made(x, y):
        n = len(y)
        return Split(ArrayInputs(x), np.arange(n), y, y, np.zeros(n, np.int64), np.ones(n), np.ones(n, dtype=bool))

    return made


def test_the_rarest_class_is_explained_candidates_false_alarms_and_misses(make_split):
    trained, part = predictor(), split(make_split)
    said = experiment.predict(trained, part, torch.device("cpu"))
    figure = explain.saliency(trained, part, said, ("a", "b"), 1, torch.device("cpu"))
    assert figure is not None
    labels = [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()]
    assert labels == ["Top\ncandidates", "Worst\nfalse\nalarms", "Worst\nmisses"]
    assert "p(b)" in figure.get_supxlabel()
    shown = [axes for axes in figure.axes if axes.images]
    assert len(shown) == 2 * (8 + 8 + 4)  # of four alphas there are four misses at most


@pytest.mark.parametrize("strategy", [Discriminator(), FreezeDomainNodes()], ids=["domain", "nodes"])
def test_strategies_with_logits_of_their_own_are_explained_by_these(make_split, monkeypatch, strategy):
    trained, part, seen = predictor(strategy, ("genie", "gibuu")), split(make_split), []
    monkeypatch.setattr(explain, "grad_cam", lambda *given: seen.append(given) or grad_cam(*given))
    said = experiment.predict(trained, part, torch.device("cpu"))
    trained.strategy.train()
    assert explain.saliency(trained, part, said, ("a", "b"), 1, torch.device("cpu")) is not None
    ((model, x, target, logits),) = seen
    assert torch.equal(logits(x), strategy.logits(model, x)), "without dropout"
    assert set(target.tolist()) == {1}
    if isinstance(strategy, FreezeDomainNodes):
        before = grad_cam(*seen[0])
        strategy.mask[::2] = 0
        assert not torch.allclose(grad_cam(*seen[0]), before)


def test_where_scores_are_not_the_networks_or_one_class_is_there_nothing_is_explained(make_split):
    class Other(ERM):
        def scores(self, model, x):
            return torch.full((len(x), 2), 0.5)

    one_class = split(make_split, rare=0)
    for trained, part in ((predictor(Other()), split(make_split)), (predictor(), one_class)):
        said = experiment.predict(trained, part, torch.device("cpu"))
        assert explain.saliency(trained, part, said, ("a", "b"), 1, torch.device("cpu")) is None
