"""Every strategy, imbalance strategy and noise model meets graphs: they train together, or a sentence says what to use."""

import warnings

import numpy as np
import pytest
import torch

from src import checkpoint, config, experiment, runs
from src.datasets.nugraph import NuGraph
from src.errors import UserError
from src.models.nugraph2 import NuGraph2
from src.strategies.base import negative_log_likelihood
from src.strategies.meta_gradient import MetaGradient, trainable
from src.task import Batch
from tests.contracts import yamls
from tests.graphs import graph_task, graphs

REFUSED = {
    "strategy=cluster_then_label": "takes vectors and images, not graphs; use strategy=",
    "strategy=cuts": "these examples are graphs; use a dataset of vectors",
    "strategy=discriminator": r"add model.heads=\[event\]",
    "strategy=ensemble": "takes vectors and images, not graphs; use strategy=",
    "imbalance_strategy=ldam": "add model.head=cosine",
    "imbalance_strategy=smote": "mixes vectors and images, not graphs; space=embedding takes any",
    "noise_model=instance_dependent": "reads vectors and images, not graphs; use noise_model=",
    **{f"noise_model={name}": "3×3, but the dataset has 4 classes" for name in ("cifar3", "mnist05", "mnist06")},
}
"""Of the options as they stand."""
OPTIONS = {
    "strategy=backward": ["model.temperatures=false"],
    "strategy=confident_learning": [
        "strategy.folds=2",
        "dataset.events=120",
        "dataset.val_fraction=.05",
        "dataset.test_fraction=.05",
    ],
    "noise_model=transition": ["noise_model.matrix=[[.8,.1,0,.1],[.1,.7,.2,0],[.1,.2,.7,0],[0,0,.1,.9]]"],
    "noise_model=background": ["noise_model.to=1"],
}
"""What some cannot do without."""
WITH_REMEDY = [
    ["strategy=discriminator", "dataset.target=shifted", "model.heads=[event]"],
    ["imbalance_strategy=ldam", "model.head=cosine"],
    ["imbalance_strategy=smote", "imbalance_strategy.space=embedding"],
    [
        "strategy=dann",
        "dataset.target=shifted",
        "model.heads=[semantic]",
        "trainer.monitor=val/semantic/macro_f1",
        "score=val/semantic/macro_f1",
    ],
    ["strategy=backward", "strategy.floor=0.0", "noise_model=uniform", "noise_model.rate=0.2"],
]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def run(train, cache):
    """Train on a few tiny events, for two steps; choices come last."""

    def of(*choices):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return train(
                "dataset=nugraph", "dataset.events=40", "dataset.hits=50", "dataset.class_mix=[1,1,1,1]",
                f"cache_root={cache}", "model=nugraph2", "model.planar=8", "model.nexus=4", "model.iterations=1",
                "schedule=none", "trainer.epochs=1", "trainer.batch_size=20", "figures=false", *choices,
            )  # fmt: skip

    return of


def needed(choice):
    """What an option cannot do without."""
    group, _, name = choice.partition("=")
    cls = yamls.target(group, name)
    asked = {"uses_target": "dataset.target=shifted", "uses_clean": "dataset.clean.per_class=1",
             "adapts_late": "trainer.select=last"}  # fmt: skip
    return [option for attribute, option in asked.items() if getattr(cls, attribute, False)] + OPTIONS.get(choice, [])


CHOICES = [
    f"{group}={name}" for group in ("strategy", "imbalance_strategy", "noise_model") for name in yamls.names(group)
]


@pytest.mark.parametrize("choice", [each for each in CHOICES if each != "noise_model=from_file"])
def test_it_trains_or_a_sentence_refuses(choice, run):
    if choice in REFUSED:
        with pytest.raises(UserError, match=REFUSED[choice]) as refused:
            run(choice, *needed(choice))
        assert "\n" not in str(refused.value).strip()
    else:
        assert np.isfinite(run(choice, *needed(choice)))


@pytest.mark.parametrize("choices", WITH_REMEDY, ids=lambda choices: choices[0])
def test_what_a_sentence_names_helps(choices, run):
    assert np.isfinite(run(*choices))


def test_a_strategy_for_two_domains_is_refused_where_there_is_one(compose):
    with pytest.raises(UserError, match=r"dataset=nugraph has one.*nugraph \(if its file or its options say so\)"):
        config.check(compose("dataset=nugraph", "model=nugraph2", "strategy=dann"))


def test_nodes_of_a_last_layer_that_is_not_there_cannot_be_cut(run):
    choices = ["strategy=freeze_domain_nodes", *needed("strategy=freeze_domain_nodes"), "model.heads=[semantic]",
               "trainer.monitor=val/semantic/macro_f1", "score=val/semantic/macro_f1"]  # fmt: skip
    with pytest.raises(UserError, match="cuts nodes that the last layer sees, and this model has none"):
        run(*choices)


def test_labels_of_events_are_flipped_as_the_matrix_says(compose, cache):
    choices = [f"cache_root={cache}", "dataset=nugraph", "dataset.events=40", "dataset.hits=50", "model=nugraph2",
               "dataset.class_mix=[1,1,1,1]", "noise_model=uniform", "noise_model.rate=0.5"]  # fmt: skip
    checked = config.check(compose(*choices))
    prepared = experiment.prepare(checked, experiment.read(checked))
    assert 0.25 < prepared.facts["data/train/flip_rate"] < 0.75
    assert (prepared.splits.test.labels == prepared.splits.test.clean).all()


# --- the target's truth ---


def spoil(splits, domain):
    """Give the hits, vertices and, where they are hidden, the labels of a domain another truth, but for the test's."""
    rng = np.random.default_rng(0)
    for split in (splits.train, splits.val):
        theirs, packed = split.domain == domain, split.inputs.packed
        rows = split.rows[theirs]
        packed.vertex[rows] += 1000
        for plane in packed.planes.values():
            for row in rows:
                hits = slice(int(plane.hits_at[row]), int(plane.hits_at[row + 1]))
                plane.semantic[hits] = torch.from_numpy(rng.integers(-1, 5, hits.stop - hits.start))
        hidden = theirs & ~split.labelled
        split.labels[hidden] = split.clean[hidden] = rng.integers(0, 4, hidden.sum())
    return splits


@pytest.fixture
def learned(run, monkeypatch, tmp_path):
    """The weights, and the metrics that choices are made by, of a strategy that saw a domain with another truth."""
    splits = NuGraph.splits

    def of(strategy, spoiled):
        root = tmp_path / f"spoiled-{spoiled}"
        monkeypatch.setattr(NuGraph, "splits", lambda *a: splits(*a) if spoiled is None else spoil(splits(*a), spoiled))
        run(f"strategy={strategy}", *needed(f"strategy={strategy}"), "model.heads=[event,semantic,filter,vertex]",
            "model.vertex_lstm=4", "trainer.epochs=2", f"runs_root={root}")  # fmt: skip
        (path,) = root.rglob("last.pt")
        state = checkpoint.load(path, torch.device("cpu"))
        said = [line["metrics"] for line in runs.history(path.parent)]
        for metrics in said:
            del metrics["train/events_per_second"]
        return {**state["model"], **state["strategy"]}, said

    return of


def test_dann_learns_from_no_truth_of_the_target_but_from_the_sources(learned):
    weights, said = learned("dann", None)
    same, repeated = learned("dann", 1)
    assert said == repeated
    assert all(torch.equal(weights[name], same[name]) for name in weights)
    other, _ = learned("dann", 0)
    assert not torch.equal(weights["body.encoder.net.u.0.weight"], other["body.encoder.net.u.0.weight"])


# --- derivatives beside the step's own ---


def test_what_a_step_on_each_graph_would_do_is_its_finite_difference():
    torch.manual_seed(0)
    model = NuGraph2(planar=5, nexus=3, iterations=2, heads=["event"], attention_stopgrad=False)
    model.setup(graph_task())
    x = graphs(6)
    y, ones = torch.tensor([0, 1, 2, 3, 0, 1]), torch.ones(6)
    batch = Batch(x, y, torch.zeros(6, dtype=torch.long), ones, torch.arange(6))
    direction = {name: torch.randn_like(value) for name, value in trainable(model).items()}

    def losses(step):
        moved = {name: value.detach() + step * direction[name] for name, value in trainable(model).items()}
        logits = torch.func.functional_call(model, moved, (x,))
        return negative_log_likelihood(logits.log_softmax(dim=1), y)

    model(x)  # leaves its pass in the batch
    found = MetaGradient().along(model, batch, negative_log_likelihood, direction)
    torch.testing.assert_close(found, (losses(0.01) - losses(-0.01)) / 0.02, rtol=0.01, atol=1e-3)
