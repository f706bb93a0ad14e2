"""Runs on two domains say how far apart these lie in the features; the detector's truth changes nothing in them."""

import json

import h5py
import numpy as np
import pytest
import torch

from src.datasets import caf
from src.datasets.inputs import ArrayInputs
from src.domains import distances
from src.evaluation.a_distance import a_distance
from src.seeding import numpy_stream
from src.showcase import showcase
from src.strategies.base import Predictor
from src.strategies.freeze_domain_nodes import FreezeDomainNodes
from src.task import Split
from src.tracking import Tracking
from tests.datasets.files import make_nova
from tests.strategies.domains import made

SMALL = ["dataset=nova", "model=cnn6", "model.width=0.5", "trainer.epochs=1", "figures=false"]


@pytest.fixture
def measured(train, tmp_path):
    def of(name, *overrides):
        train(*SMALL, f"data_root={tmp_path / 'data'}", f"name={name}", *overrides)
        (path,) = (tmp_path / "runs_root").glob(f"{name}-*/metrics.json")
        return json.loads(path.read_text())

    return of


def make(tmp_path, *domains):
    (tmp_path / "data").mkdir()
    return [make_nova(tmp_path / "data", domain, 80, class_mix=(1, 1, 1)) for domain in domains]


def test_the_distance_and_the_gap_are_measured(measured, tmp_path):
    make(tmp_path, "genie", "gibuu")
    found = measured("plain")
    for part in ("val", "test"):
        assert (
            found[f"{part}.gap/a_distance.low"]
            <= found[f"{part}.gap/a_distance"]
            <= found[f"{part}.gap/a_distance.high"]
        )
    assert 0 <= found["test.gap/roc_auc"] <= 1
    assert "val.gap/roc_auc" not in found, "the target has no labels in validation"
    assert "val.gap/roc_auc" in measured("labelled", "dataset.target_labels=true")
    assert not any("gap" in name for name in measured("domain", "strategy=discriminator", "figures=true"))
    (figure,) = (tmp_path / "runs_root").glob("domain-*/figures/saliency.png")
    assert figure.stat().st_size > 10_000


def test_after_the_cut_the_distance_is_that_of_the_nodes_that_are_left():
    """Node 1 alone tells the domains apart, completely; the probe draws the same examples either way."""
    model, strategy = made(FreezeDomainNodes())
    n, domain = 400, np.arange(400) % 2
    x = np.random.default_rng(0).normal(size=(n, 6)).astype(np.float32)
    with torch.no_grad():
        model.body.weight.copy_(torch.eye(6))
        model.body.bias.zero_()
    x[:, 1] += 9 * domain
    known = np.zeros(n, dtype=np.int64)
    part = Split(ArrayInputs(x), np.arange(n), known, known, domain, np.ones(n), np.ones(n, dtype=bool))

    def measured_now():
        return distances(Predictor(model, strategy), {"val": part}, torch.device("cpu"), 3)["val.gap/a_distance"]

    before = measured_now()
    strategy.mask[1] = 0
    kept = a_distance(np.delete(x, 1, axis=1), domain, numpy_stream(3, "probe/val"))["mean"]
    assert before > 1.9
    assert measured_now() == pytest.approx(kept, abs=1e-6)
    assert kept < 0.4


@pytest.mark.parametrize("strategy", ["erm", "dann"])
def test_the_detector_s_truth_decides_nothing_but_the_last_evaluation(measured, tmp_path, strategy):
    """With every label of the detector changed, the network is the same, bit for bit; only what is said of it differs."""
    _, path = make(tmp_path, "genie", "detector")
    arguments = ["dataset.target=detector", f"strategy={strategy}"]
    before = measured("before", *arguments)
    with h5py.File(path.with_suffix(".truth.h5"), "a") as file:
        file[f"{caf.TRUTH}/iscc"][:] = 0
    after = measured("after", *arguments)
    same = [name for name in before if name.startswith(("val", "train", "data/train", "data/val", "test.genie"))]
    assert len(same) > 30
    assert {name: before[name] for name in same} == pytest.approx(
        {name: after[name] for name in same}, nan_ok=True, abs=0
    )
    assert (
        before["test.detector/recall.nc"] != after["test.detector/recall.nc"]
        or before["test.detector/accuracy"] != after["test.detector/accuracy"]
    )


def test_watching_what_is_sealed_is_refused(measured, tmp_path):
    from src.errors import UserError

    make(tmp_path, "genie", "detector")
    with pytest.raises(UserError, match="part of its truth is sealed"):
        measured("watched", "dataset.target=detector", "trainer.watch=[test]")


def test_a_test_split_that_is_read_later_has_the_same_gap_and_distance(measured, tmp_path):
    make(tmp_path, "genie", "gibuu")
    at_once = measured("once")
    assert not any(name.startswith("test") for name in measured("later", "test=chosen"))
    (folder,) = (tmp_path / "runs_root").glob("later-*")
    showcase(folder, Tracking(enabled=False, uri=None, experiment="-"))
    later = json.loads((folder / "metrics.json").read_text())
    assert later == pytest.approx(at_once, nan_ok=True)
    assert {"test.gap/a_distance", "test.gap/roc_auc"} <= set(later)
