"""The separation is sklearn's AUC; the nodes cut are those that separate, and no score depends on them any more."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from src import checkpoint, runs
from src.errors import UserError
from src.models.mlr import MLR
from src.strategies.erm import ERM
from src.strategies.freeze_domain_nodes import FreezeDomainNodes, separations
from src.task import Task
from tests.contracts import yamls
from tests.graphs import graph_task
from tests.strategies.domains import batch, criterion, made, two_domain_file
from tests.test_training import Interrupted, only_run, same


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("decimals", [0, 8])
def test_the_separation_is_that_of_sklearns_auc(decimals, weighted):
    """With no decimals there are ties, in a column of 0 nothing else."""
    rng = np.random.default_rng(0)
    source, target = (
        rng.normal(shift, 1, (n, 5)).round(decimals) for n, shift in ((40, 0), (25, np.linspace(-2, 2, 5)))
    )
    w, v = (rng.uniform(0.1, 3, n) if weighted else np.ones(n) for n in (40, 25))
    source[:, 2] = target[:, 2] = 0
    found = separations(source, target, w, v)
    domain = np.repeat([1, 0], [40, 25])
    for node in (0, 1, 3, 4):
        both = np.concatenate([source[:, node], target[:, node]])
        auc = roc_auc_score(domain, both, sample_weight=np.concatenate([w, v]))
        assert found[node] == pytest.approx(abs(auc - 0.5), abs=1e-9)
    assert np.isnan(found[2])


def test_complete_separation_is_one_half_in_either_direction():
    a, b = np.arange(6.0).reshape(3, 2), 10 + np.arange(8.0).reshape(4, 2)
    b[:, 1] -= 100
    assert separations(a, b, np.ones(3), np.ones(4)).tolist() == [0.5, 0.5]


def test_before_the_cut_it_is_plain_training_to_the_bit():
    model, strategy = made(FreezeDomainNodes())
    assert strategy.facts(None, None) == {}
    source, target = batch(8, 0), batch(8, 1, hidden=True, seed=1)
    plain = made(ERM())[1]
    assert torch.equal(
        strategy.loss(model, source, target, None, 0.9)["total"], plain.loss(model, source, None, None, 0)["total"]
    )
    assert torch.equal(strategy.scores(model, source.x), plain.scores(model, source.x))
    seen = batch(8, 1, seed=1)
    assert strategy.loss(model, source, seen, None, 0.9)["total"] != plain.loss(model, source, None, None, 0)["total"]


def test_a_node_that_is_cut_neither_scores_nor_learns():
    model, strategy = made(FreezeDomainNodes())
    strategy.mask[[1, 4]] = 0
    source = batch(8, 0)
    with torch.no_grad():
        reduced = torch.nn.Linear(6, 3)
        reduced.load_state_dict(model.head.state_dict())
        reduced.weight[:, [1, 4]] = 0
    features = model.features(source.x)
    torch.testing.assert_close(strategy.scores(model, source.x), reduced(features).softmax(dim=1))
    assert torch.equal(strategy.embedding(model, source.x), features * torch.tensor([1, 0, 1, 1, 0, 1]))
    strategy.loss(model, source, None, None, 0.9)["total"].backward()
    assert (model.head.weight.grad.abs().sum(dim=0) > 0).tolist() == [True, False, True, True, False, True]
    assert (model.body.weight.grad.abs().sum(dim=1) > 0).tolist() == [True, False, True, True, False, True]


@pytest.mark.parametrize("name", yamls.names("model"))
def test_the_mask_is_as_wide_as_the_penultimate_layer_of_any_model(name):
    model, strategy = yamls.build("model", name), FreezeDomainNodes()
    model.restored = True
    task = Task(("a", "b"), ("x", "y"), "image", (2, 64, 64), views=2)
    if name == "nugraph2":
        task = replace(graph_task(), domain_names=("x", "y"))
    model.setup(task)
    strategy.setup(task, model, criterion)
    assert strategy.mask.shape == model.eval().penultimate(torch.zeros(2, model.feature_dim)).shape[1:]


def test_a_run_cuts_the_input_that_tells_the_domains_apart_and_says_so(train, tmp_path):
    """Of six inputs one is dead; 30 % of the five others is one."""
    arguments = [*two_domain_file(tmp_path / "data_root"), "strategy=freeze_domain_nodes", "strategy.share=0.3"]
    masks = []

    def look(epoch, metrics):
        if epoch > 1:  # the checkpoint of the epoch before
            masks.append(checkpoint.load(only_run(tmp_path / "runs_root") / "last.pt")["strategy"]["mask"].tolist())

    train(*arguments, "trainer.epochs=4", on_epoch=look)
    folder = only_run(tmp_path / "runs_root")
    state = checkpoint.load(folder / "last.pt")["strategy"]
    cut = [1, 0, 1, 1, 1, 1]
    assert [*masks, state["mask"].tolist()] == [[1] * 6, cut, cut, cut]
    separation = state["separation"]
    assert separation[1] > 0.45
    assert separation[5].isnan()
    found = runs.read_json(folder / "metrics.json")
    assert found["domain_nodes/cut"] == 1
    assert found["domain_nodes/live"] == 5
    assert found["domain_nodes/separation"] == pytest.approx(separation[:5].mean().item())
    assert found["domain_nodes/separation_kept"] == pytest.approx(separation[[0, 2, 3, 4]].mean().item())


@pytest.mark.parametrize("stop_after", [1, 3])
def test_an_interrupted_run_goes_on_with_the_same_bits(train, tmp_path, stop_after):
    data = two_domain_file(tmp_path / "data_root")
    arguments = [*data, "strategy=freeze_domain_nodes", "strategy.share=0.3", "trainer.epochs=4"]

    def interrupt(epoch, metrics):
        if epoch == stop_after:
            raise Interrupted

    whole = train(*arguments, f"runs_root={tmp_path / 'whole'}")
    with pytest.raises(Interrupted):
        train(*arguments, f"runs_root={tmp_path / 'broken'}", on_epoch=interrupt)
    assert train(*arguments, f"runs_root={tmp_path / 'broken'}", "trainer.resume=true") == whole
    a, b = (checkpoint.load(only_run(tmp_path / root) / "last.pt") for root in ("whole", "broken"))
    assert same(a["model"], b["model"])
    assert torch.equal(a["strategy"]["mask"], b["strategy"]["mask"])
    torch.testing.assert_close(a["strategy"]["separation"], b["strategy"]["separation"], rtol=0, atol=0, equal_nan=True)


def test_one_domain_is_refused():
    with pytest.raises(UserError, match="strategy=freeze_domain_nodes needs a dataset with two domains"):
        FreezeDomainNodes().setup(Task(("a", "b"), ("all",), "vector", (6,)), MLR(), criterion)
