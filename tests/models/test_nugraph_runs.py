"""Whole runs of NuGraph2 on a few simulated events: its heads through training, judging, figures and prediction."""

import math

import numpy as np
import pytest
import torch

from src import checkpoint, config, experiment, explain, runs
from src.evaluation import predictions
from src.evaluation.style import display
from src.inference import said
from src.predict import Options, predict
from src.showcase import showcase, trained
from src.tracking import Tracking

RUN = ["dataset=nugraph", "dataset.events=60", "dataset.hits=60", "dataset.class_mix=[1,1,1,1]", "model=nugraph2",
       "model.planar=4", "model.nexus=2", "model.iterations=1", "schedule=none", "trainer.batch_size=16",
       "trainer.device=cpu", "figures=false"]  # fmt: skip
ALL = ["model.heads=[event,semantic,filter,vertex]", "model.vertex_lstm=3"]
OFF = Tracking(enabled=False, uri=None, experiment="-")
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("nugraph")


@pytest.fixture
def run(compose, root):
    """The folder of a run that ends with these choices; one that is there already is not repeated."""

    def of(*choices, place="runs", on_epoch=None):
        found = []
        places = [f"cache_root={root / 'cache'}", f"runs_root={root / place}"]
        experiment.run(config.check(compose(*RUN, *places, *choices)), on_epoch, opened=found.append)
        return found[0]

    return of


@pytest.fixture
def with_all_heads(run):
    return run(*ALL, "trainer.epochs=2")


def metrics(folder):
    return runs.read_json(folder / "metrics.json")


def weights(folder, name="last.pt"):
    return checkpoint.load(folder / name, CPU)["model"]


def epochs(folder):
    """The metrics of every epoch, but for the speed."""
    told = [line["metrics"] for line in runs.history(folder)]
    return [{name: x for name, x in each.items() if name != "train/events_per_second"} for each in told]


def same(a, b, names=None):
    return all(torch.equal(a[name], b[name]) for name in names or {*a, *b})


# --- judging ---


def test_heads_say_of_a_batch_what_they_say_of_its_graphs_alone(with_all_heads):
    one = trained(with_all_heads)
    predictor, split, size = one.predictor, one.prepared.splits.test, 5
    rows = split.rows[::-1].copy()
    whole = said(predictor, split.inputs, rows, one.experiment.trainer.device, batch_size=size)
    p, alone = [], []
    with torch.inference_mode():
        for row in rows:
            x = split.inputs.fetch(torch.tensor([row]), one.experiment.trainer.device)
            p.append(predictor.scores(x))
            counts = [len(plane.x) for plane in x.planes.values()]
            alone.append((predictor.model.side_scores(x), counts))
    np.testing.assert_allclose(whole.probabilities, torch.cat(p).cpu(), atol=1e-6)
    assert {*whole.heads} == {"semantic", "filter", "vertex"}
    for head, output in whole.heads.items():
        for column in ("scores", "truth"):
            parts = [getattr(scores[head], column).cpu() for scores, _ in alone]
            if head != "vertex":  # of hits: in a batch plane after plane
                planes = [part.split(counts) for part, (_, counts) in zip(parts, alone, strict=True)]
                batches = [planes[at : at + size] for at in range(0, len(rows), size)]
                parts = [of[plane] for batch in batches for plane in range(3) for of in batch]
            np.testing.assert_allclose(getattr(output, column), torch.cat(parts), rtol=1e-5, atol=1e-5, err_msg=head)


def test_a_test_split_that_is_read_after_the_choice_says_the_same_of_every_head(run, with_all_heads):
    chosen = run(*ALL, "trainer.epochs=2", "test=chosen", place="chosen")
    assert not any(name.startswith("test") for name in metrics(chosen))
    assert {*runs.read_json(chosen / "heads.json")} == {"val"}
    showcase(chosen, OFF)
    found = metrics(chosen)
    assert found == pytest.approx(metrics(with_all_heads), nan_ok=True)
    assert {"test/semantic/accuracy", "test/filter/accuracy", "test/vertex/resolution"} <= found.keys()
    confusions = runs.read_json(chosen / "heads.json")
    assert confusions == runs.read_json(with_all_heads / "heads.json")
    assert {split: {*heads} for split, heads in confusions.items()} == {
        split: {"semantic", "filter"} for split in ("val", "test")
    }
    assert {"hits", "confusion"} <= {path.stem for path in (chosen / "figures").glob("*.png")}


# --- figures ---


def test_an_event_of_every_class_is_shown_as_it_is_and_as_it_is_called(with_all_heads):
    one = trained(with_all_heads)
    split, names, device = one.prepared.splits.test, one.task.class_names, one.experiment.trainer.device
    found = predictions.load(with_all_heads / "predictions.npz")["test"]
    figure = explain.hits(one.predictor, split, found, names, device)
    panels = [axes for axes in figure.axes if axes.collections]
    assert len(panels) == 2 * 3 * len(names)
    for c, name in enumerate(names):
        sizes = split.inputs.sizes[split.rows]
        at = next(i for i in np.flatnonzero(split.clean == c) if sizes[i] >= np.median(sizes[split.clean == c]))
        called = names[found.probabilities[at].argmax()]
        above, below = panels[6 * c : 6 * c + 3], panels[6 * c + 3 : 6 * c + 6]
        assert above[0].get_title() == f"{display(f'{name}, called {called}')}: true, u"
        assert below[0].get_title() == f"{display(f'{name}, called {called}')}: predicted, u"
        with torch.inference_mode():
            x = split.inputs.fetch(torch.tensor([split.rows[at]]), device)
            hits = one.predictor.model.side_scores(x)["semantic"]
        true = hits.truth.cpu().split([len(plane.x) for plane in x.planes.values()])
        says = hits.scores.argmax(dim=1).cpu().split([len(plane.x) for plane in x.planes.values()])
        for row, of in ((above, true), (below, says)):
            for axes, classes, real in zip(row, of, true, strict=True):
                drawn = [len(marks.get_offsets()) for marks in axes.collections]
                expected = [int((classes[real >= 0] == k).sum()) for k in range(len(hits.names))]
                assert drawn == [int((real < 0).sum()), *expected]


def test_without_a_semantic_head_no_hits_are_shown(run):
    folder = run("model.heads=[event]", "trainer.epochs=1")
    one = trained(folder)
    found = predictions.load(folder / "predictions.npz")["test"]
    split, names = one.prepared.splits.test, one.task.class_names
    assert explain.hits(one.predictor, split, found, names, one.experiment.trainer.device) is None


# --- prediction ---


def test_a_graph_file_is_scored_as_the_run_scored_its_events(with_all_heads, root):
    (file,) = root.glob("cache/simulated/*/events.gnn.h5")
    table = predict(Options(run=str(with_all_heads), data=str(file), device="cpu"))
    assert len(table) == 60
    keys = ["run", "subrun", "event"]
    names = runs.read_json(with_all_heads / "task.json")["class_names"]
    table = table.set_index(keys).sort_index()
    for split, found in predictions.load(with_all_heads / "predictions.npz").items():
        events = list(zip(*(found.keys[key] for key in keys), strict=True))
        assert len({*events}) == len(events) > 5, split
        ours = table.loc[events, [f"p_{name}" for name in names]].to_numpy()
        np.testing.assert_allclose(ours, found.probabilities, atol=1e-6)
        assert ours.std(axis=0).min() > 1e-5  # so that another order would be seen


# --- training ---


class Interrupted(Exception):
    pass


def test_an_interrupted_and_resumed_run_ends_with_the_same_bits(run, root):
    choices = [*ALL, "trainer.epochs=3", "trainer.select=last", "test=chosen", "imbalance_strategy=size_balance",
               "imbalance_strategy.factors=[1,1,2.5,1]", "schedule=onecycle"]  # fmt: skip

    def interrupt(epoch, metrics):
        if epoch == 2:  # before its checkpoint: that of epoch 1 is there
            raise Interrupted

    with pytest.raises(Interrupted):
        run(*choices, place="resumed", on_epoch=interrupt)
    (left,) = root.glob("resumed/*/last.pt")
    assert checkpoint.load(left, CPU)["epoch"] == 1
    whole, resumed = run(*choices, place="whole"), run(*choices, "trainer.resume=true", place="resumed")
    assert len(runs.read_json(resumed / "record.json")["resumed"]) == 1
    assert epochs(whole) == epochs(resumed)
    assert len(epochs(whole)) == 3
    for name in ("last.pt", "best.pt"):
        assert same(weights(whole, name), weights(resumed, name))
    assert metrics(whole) == pytest.approx(metrics(resumed), rel=0, abs=0, nan_ok=True)


def test_a_head_that_counts_nothing_changes_nothing(run):
    plain = ["model.temperatures=false", "trainer.epochs=2", "test=chosen"]
    alone = run("model.heads=[event]", *plain)
    beside = run("model.heads=[event,semantic]", "model.loss_weights.semantic=0", *plain)
    for one, other in zip(epochs(alone), epochs(beside), strict=True):
        assert other["train/semantic"] == 0
        assert one["train/total"] == other["train/total"]
        assert one["val/loss"] == other["val/loss"]
    assert same(weights(alone), weights(beside), weights(alone))


def test_a_head_adds_its_loss_and_teaches_the_body(run):
    one_step = ["model.heads=[event,semantic]", "model.temperatures=false", "trainer.epochs=1", "trainer.batch_size=64",
                "test=chosen"]  # fmt: skip
    without = run("model.loss_weights.semantic=0", *one_step)
    taught = run("model.loss_weights.semantic=3", *one_step)
    (before,), (after,) = epochs(without), epochs(taught)
    assert after["train/semantic"] > 0.1
    assert math.isclose(after["train/total"], before["train/total"] + after["train/semantic"], rel_tol=1e-6)
    body = "body.encoder.net.u.0.weight"
    assert not torch.equal(weights(without)[body], weights(taught)[body])
    only_event = [name for name in weights(taught) if name.startswith("head.")]
    assert same(weights(without), weights(taught), only_event)
