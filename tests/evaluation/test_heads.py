"""What a model's other heads are judged by."""

import json

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from src.evaluation.graph_display import DisplayedEvent, events
from src.evaluation.heads import HeadOutput, confusions, head_metrics, head_scores, known_metric, save_confusions


def semantic(n=60, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(-1, 3, n)
    p = rng.dirichlet(np.ones(3), n).astype(np.float32)
    return HeadOutput("classes", p, truth, ("MIP", "HIP", "shower"))


def test_hits_without_a_class_do_not_count():
    whole = semantic()
    known = whole.truth >= 0
    part = HeadOutput("classes", whole.scores[known], whole.truth[known], whole.names)
    assert 0 < known.sum() < len(known)
    found = head_metrics({"semantic": whole})
    assert found == head_metrics({"semantic": part})
    assert found["semantic/macro_f1"] == pytest.approx(
        f1_score(part.truth, part.scores.argmax(axis=1), average="macro")
    )
    counts, names = confusions({"semantic": whole})["semantic"]
    assert counts.sum() == known.sum()
    assert names == whole.names
    np.testing.assert_array_equal(counts.sum(axis=1), np.bincount(part.truth))


def test_a_yes_or_no_is_two_classes():
    rng = np.random.default_rng(0)
    truth, p = rng.integers(0, 2, 50), rng.random(50).astype(np.float32)
    found = head_metrics({"filter": HeadOutput("binary", p, truth, ("noise", "signal"))})
    assert found["filter/roc_auc.signal"] == pytest.approx(roc_auc_score(truth, p))
    assert found["filter/recall.signal"] == pytest.approx((p[truth == 1] > 0.5).mean())


def test_a_position_is_judged_by_its_distance():
    truth = np.zeros((2, 3))
    said = np.array([[3, 4, 0], [0, 0, -2]], np.float32)
    found = head_metrics({"vertex": HeadOutput("position", said, truth)})
    assert found == {"vertex/resolution": 3.5, "vertex/resolution_x": 1.5, "vertex/resolution_y": 2.0, "vertex/resolution_z": 1.0}  # fmt: skip


def test_truth_that_is_nowhere_known_is_not_judged():
    nothing = HeadOutput("classes", np.full((4, 2), 0.5, np.float32), np.full(4, -1), ("a", "b"))
    assert head_metrics({"semantic": nothing}) == {}
    assert confusions({"semantic": nothing}) == {}


def test_names_that_runs_can_report():
    for name in ("accuracy", "f1.cc_nutau", "semantic/recall.MIP", "filter/roc_auc", "vertex/resolution_x"):
        assert known_metric(name)
    for name in ("acuracy", "semantic/resolution", "vertex/accuracy", "event/accuracy", "semantic"):
        assert not known_metric(name)


def test_every_split_has_its_scores_and_confusions(tmp_path):
    heads = {"val": {"semantic": semantic(seed=1)}, "test": {"semantic": semantic(seed=2)}}
    scores = head_scores(heads)
    assert scores["val/semantic/accuracy"] != scores["test/semantic/accuracy"]
    save_confusions(tmp_path, {"val": heads["val"]})
    save_confusions(tmp_path, {"test": heads["test"]})  # which is read later, by those that were chosen
    kept = json.loads((tmp_path / "heads.json").read_text())
    assert set(kept) == {"val", "test"}
    assert np.sum(kept["val"]["semantic"]["counts"]) == (heads["val"]["semantic"].truth >= 0).sum()
    assert np.trace(kept["test"]["semantic"]["counts"]) == pytest.approx(
        scores["test/semantic/accuracy"] * np.sum(kept["test"]["semantic"]["counts"])
    )


def test_a_display_shows_every_hit_in_both_rows():
    rng = np.random.default_rng(0)
    places = {plane: rng.normal(size=(n, 2)).astype(np.float32) for plane, n in (("u", 7), ("v", 0), ("y", 4))}
    true = {plane: rng.integers(-1, 2, len(where)) for plane, where in places.items()}
    called = {plane: rng.integers(0, 2, len(where)) for plane, where in places.items()}
    figure = events([DisplayedEvent("cc_nue, called nc", places, true, called)], ("MIP", "shower"))
    assert len(figure.axes) == 6
    for number, axes in enumerate(figure.axes):
        drawn = sum(len(points.get_offsets()) for points in axes.collections)
        assert drawn == (7, 0, 4)[number % 3]
    assert "cc_nue, called nc: true, u" in figure.axes[0].get_title()
    assert (figure.axes[0].get_ylabel(), figure.axes[3].get_xlabel()) == (
        "Time",
        "Wire",
    )  # in no unit that all files have
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["MIP", "shower", "noise"]
