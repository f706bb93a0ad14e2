import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.func import functional_call
from torch.nn import functional as F

from src.errors import UserError
from src.graphs import Graphs, GraphSchema, Plane
from src.imbalance_strategies.recall import Recall
from src.models.nugraph2 import NuGraph2
from src.models.nugraph_names import from_reference
from src.strategies.meta_gradient import MetaGradient, _double_vjp, trainable
from src.task import Batch, Task
from tests.graphs import SCHEMA, graph_task, graphs, only

REFERENCE = Path(__file__).parents[1] / "reference" / "nugraph"
ALL = ["event", "semantic", "filter", "vertex"]
SMALL = {"planar": 6, "nexus": 3, "iterations": 2, "vertex_lstm": 5, "vertex_mlp": [4]}
versions = pytest.mark.parametrize("version", ["v24.2", "v23.11"])


def network(schema=SCHEMA, seed=0, **options):
    torch.manual_seed(seed)
    model = NuGraph2(**{"heads": ALL, **options})
    model.setup(graph_task(schema))
    return model


def small(**options):
    return network(**{**SMALL, **options})


def total(model, x, y):
    return sum(model.side_losses(x).values(), start=model.tempered(F.cross_entropy(model(x), y)))


def gradients(model, x, y):
    parameters = dict(model.named_parameters())
    found = torch.autograd.grad(total(model, x, y), [*parameters.values()], allow_unused=True, materialize_grads=True)
    return dict(zip(parameters, found, strict=True))


def passes(model, monkeypatch):
    """A list that grows by one for every pass through the body."""
    made, propagated = [], model.body.propagated
    monkeypatch.setattr(model.body, "propagated", lambda x: made.append(1) or propagated(x))
    return made


# The original's numbers


def golden(name):
    stored = np.load(REFERENCE / f"{name}.npz")
    return {key: torch.from_numpy(stored[key]) for key in stored}


def given(stored):
    planes = {
        p: Plane(*(stored[f"in/{p}/{column}"] for column in ("x", "batch", "edge_plane", "edge_nexus", "y_semantic")))
        for p in "uvy"
    }
    return Graphs(planes, torch.zeros(int(stored["in/sp_num_nodes"]), dtype=torch.int64), 3, stored["in/evt_y_vtx"])


def part(stored, prefix):
    return from_reference({key.removeprefix(prefix): value for key, value in stored.items() if key.startswith(prefix)})


@pytest.mark.parametrize(
    ("name", "version", "out"),
    [
        ("golden_v242_small_in4", "v24.2", {"event": "evt_logits", "semantic": "x_semantic_logits"}),
        ("golden_small", "v23.11", {"event": "evt_x", "semantic": "x_semantic"}),
    ],
)
def test_outputs_losses_and_gradients_are_the_originals(name, version, out):
    stored, near = golden(name), {"rtol": 1e-5, "atol": 1e-5}
    model = network(
        GraphSchema(("u", "v", "y"), 4, tuple("abcde"), vertex=True), version=version, vertex_padded=True,
        planar=8, nexus=4, iterations=3, vertex_lstm=6, vertex_mlp=[6],
    )  # fmt: skip
    model.load_state_dict(part(stored, "sd/"))
    x, y = given(stored), stored["in/evt_y"]
    recall = Recall(smoothing=0.0)
    recall.setup(np.arange(4), 4)

    logits = model(x)
    losses = {"event": model.tempered(recall.criterion(logits.log_softmax(dim=1), y).mean()), **model.side_losses(x)}
    scores = model.side_scores(x)

    torch.testing.assert_close(logits, stored[f"out/{out['event']}"], **near)
    semantic = torch.cat([stored[f"out/{p}/{out['semantic']}"] for p in "uvy"])
    torch.testing.assert_close(scores["semantic"].scores, semantic.softmax(dim=1), **near)
    torch.testing.assert_close(scores["filter"].scores, torch.cat([stored[f"out/{p}/x_filter"] for p in "uvy"]), **near)
    torch.testing.assert_close(scores["vertex"].scores, stored["out/evt_x_vtx"], **near)
    for head, loss in losses.items():
        torch.testing.assert_close(loss, stored[f"metric/loss_{head}/train"], **near)
    summed = sum(losses.values())
    torch.testing.assert_close(summed, stored["loss/total"], **near)

    summed.backward()
    expected = part(stored, "grad/")
    assert {*expected} == {name for name, _ in model.named_parameters()}
    for parameter, value in model.named_parameters():
        torch.testing.assert_close(value.grad, expected[parameter], **near, msg=lambda m, p=parameter: f"{p}: {m}")


def test_a_deeper_event_decoder_than_the_originals_is_refused():
    with pytest.raises(ValueError, match="has one layer"):
        from_reference({"event_decoder.net.2.weight": torch.zeros(1)})


def counts(**options):
    model = network(**options)
    whole = {
        "encoder": model.body.encoder, "plane": model.body.iteration.plane_net, "nexus": model.body.iteration.nexus_net,
        "semantic": model.semantic_decoder, "filter": model.filter_decoder, "vertex": model.vertex_decoder,
    }  # fmt: skip
    found = {name: sum(p.numel() for p in module.parameters()) for name, module in whole.items()}
    event = sum(p.numel() for module in (model.pool, model.head, model.hidden) for p in module.parameters())
    found |= {head: found.get(head, event) + model.temperature[head].numel() for head in ALL}
    assert sum(found.values()) == sum(p.numel() for p in model.parameters())
    return found


@pytest.mark.parametrize(
    ("version", "features", "encoder", "plane", "rest"),
    [
        ("v24.2", 8, 3456, 155187, (125219, 1544, 1936, 388, 161540, 449270)),
        ("v24.2", 4, 1920, 152091, (125219, 1544, 1936, 388, 161540, 444638)),
        ("v23.11", 8, 8640, 203775, (158175, 3848, 976, 964, 139140, 515518)),
        ("v23.11", 4, 4800, 195975, (158175, 3848, 976, 964, 139140, 503878)),
    ],
)
def test_every_part_has_as_many_parameters_as_the_originals(version, features, encoder, plane, rest):
    *parts, whole = rest
    found = counts(schema=GraphSchema(("u", "v", "y"), features, tuple("abcde"), vertex=True), version=version)
    expected = dict(zip(("nexus", "event", "semantic", "filter", "vertex"), parts, strict=True))
    assert found == {"encoder": encoder, "plane": plane, **expected}
    assert sum(found.values()) == whole


def test_the_studys_deeper_encoder_has_52992_parameters():
    schema = replace(SCHEMA, features=8)
    shallow, deep = counts(schema=schema), counts(schema=schema, encoder_depth=2)
    assert (shallow.pop("encoder"), deep.pop("encoder")) == (3456, 52992)
    assert shallow == deep


# What must not matter


@versions
def test_what_is_said_of_a_graph_does_not_depend_on_its_companions(version):
    model, x = small(version=version), graphs(3)
    logits, scores = model(x), model.side_scores(x)
    for number in range(3):
        alone = only(x, number)
        torch.testing.assert_close(model(alone)[0], logits[number])
        for head, of in model.side_scores(alone).items():
            whole = scores[head]
            torch.testing.assert_close(of.scores, whole.scores[whole.graph == number])
            assert torch.equal(of.truth, whole.truth[whole.graph == number])


def test_the_originals_vertex_depends_on_its_companions():
    model, x = small(vertex_padded=True), graphs(3)
    shortest = min(range(3), key=lambda number: int((x.planes["u"].graph == number).sum()))
    together = model.side_scores(x)["vertex"].scores[shortest]
    assert not torch.allclose(together, model.side_scores(only(x, shortest))["vertex"].scores[0], atol=1e-5)


@versions
def test_the_order_of_edges_and_links_does_not_matter(version):
    model, x = small(version=version), graphs(2)
    random = torch.Generator().manual_seed(0)

    def mixed(columns):
        return columns[:, torch.randperm(columns.shape[1], generator=random)]

    planes = {
        name: replace(plane, edges=mixed(plane.edges), links=mixed(plane.links)) for name, plane in x.planes.items()
    }
    torch.testing.assert_close(model(replace(x, planes=planes)), model(x))


@versions
@pytest.mark.parametrize("padded", [False, True])
def test_empty_planes_graphs_and_missing_space_points_are_survived(version, padded):
    model, x = small(version=version, vertex_padded=padded), graphs(2)
    none = torch.zeros(2, 0, dtype=torch.int64)
    hitless = Plane(torch.zeros(0, 4), none[0], none, none, none[0])
    unlinked = {name: replace(plane, links=none) for name, plane in x.planes.items()}
    for planes, points, size in (
        ({**x.planes, "v": hitless}, x.points, 2),
        (unlinked, none[0], 2),
        (x.planes, x.points, 3),
        (dict.fromkeys(x.planes, hitless), none[0], 2),
    ):
        found = gradients(
            model, Graphs(planes, points, size, torch.rand(size, 3)), torch.zeros(size, dtype=torch.int64)
        )
        assert all(torch.isfinite(gradient).all() for gradient in found.values())
    assert torch.equal(model.features(Graphs(x.planes, x.points, 3))[2], torch.zeros(model.feature_dim))


@versions
def test_checkpointing_changes_no_number(version):
    x, y = graphs(2), torch.tensor([0, 1])
    model, frugal = small(version=version), small(version=version, checkpointing=True)
    torch.testing.assert_close(gradients(frugal, replace(x), y), gradients(model, x, y))


def test_checkpointing_computes_again_with_the_parameters_of_then():
    x, y = graphs(2), torch.tensor([0, 1])
    model, frugal = small(), small(checkpointing=True)
    found = []
    for each in (model, frugal):
        moved = {name: (p + 0.1).detach().requires_grad_() for name, p in each.named_parameters()}
        loss = F.cross_entropy(functional_call(each, moved, (replace(x),)), y)
        found.append(torch.autograd.grad(loss, [*moved.values()], allow_unused=True, materialize_grads=True))
    torch.testing.assert_close(*found)


@versions
@pytest.mark.parametrize("checkpointing", [False, True])
def test_methods_that_differentiate_twice_get_right_derivatives(version, checkpointing):
    """Of losses along a direction: forward mode, twice the backward pass, and a difference."""
    model = small(version=version, heads=["event"], checkpointing=checkpointing)
    batch = Batch(graphs(3), torch.tensor([0, 1, 2]), torch.zeros(3), torch.ones(3), torch.arange(3))
    criterion = lambda log_probs, y: F.nll_loss(log_probs, y, reduction="none")  # noqa: E731
    direction = {name: torch.randn_like(p) for name, p in model.named_parameters()}
    meta = MetaGradient()
    losses, forward = meta.losses_and_along(model, batch, criterion, direction)
    assert meta.forward_mode
    twice = _double_vjp(criterion(model(batch.x).log_softmax(dim=1), batch.y), trainable(model), direction)
    torch.testing.assert_close(forward, twice, rtol=1e-4, atol=1e-5)
    assert losses.requires_grad
    ends = []
    for step in (1e-2, -1e-2):
        moved = {name: p + step * direction[name] for name, p in trainable(model).items()}
        ends.append(criterion(functional_call(model, moved, (batch.x,)).log_softmax(dim=1), batch.y))
    torch.testing.assert_close((ends[0] - ends[1]) / 2e-2, forward, rtol=0.02, atol=0.02)


# One pass for all heads, and never a stale one


def test_all_heads_share_one_pass(monkeypatch):
    model, x = small(), graphs(2)
    made = passes(model, monkeypatch)
    total(model, x, torch.tensor([0, 1])).backward()
    assert len(made) == 1
    with torch.inference_mode():
        model(x)
        model.side_scores(x)
    assert len(made) == 2


def step(model):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(0.9)


STALE = {
    "an optimizer's step": lambda model, x: (model(x), step(model)),
    "a pass without gradient": lambda model, x: torch.no_grad()(model)(x),
    "a pass in inference mode": lambda model, x: torch.inference_mode()(model)(x),
    "other parameters": lambda model, x: functional_call(
        model, {name: p.detach() * 2 for name, p in model.named_parameters()}, (x,)
    ),
    "another network": lambda model, x: copy.deepcopy(model)(x),
    "a gradient that freed the pass": lambda model, x: model(x).sum().backward(),
    "frozen parameters": lambda model, x: (model.requires_grad_(False), model(x), model.requires_grad_(True)),
    "other hits": lambda model, x: model(replace(x, planes=graphs(2, seed=1).planes)),
    "lower precision": lambda model, x: torch.autocast("cpu", torch.bfloat16)(model)(x),
}


@pytest.mark.parametrize("before", STALE)
def test_a_stale_pass_is_not_used(before):
    x, y = graphs(2), torch.tensor([0, 1])
    model = small()
    STALE[before](model, x)
    found = gradients(model, x, y)
    torch.testing.assert_close(found, gradients(model, replace(x), y), rtol=0, atol=0)


def test_batches_can_be_moved_and_joined_after_a_pass():
    model, x = small(), graphs(2)
    logits = model(x)
    torch.testing.assert_close(model(x.joined(graphs(2, seed=1)))[:2], logits)
    assert not x.to(torch.device("cpu")).passed


# Options


def test_a_position_can_be_told_where_none_is_known():
    x = replace(graphs(2), vertex=None)
    found = small().side_scores(x)["vertex"]
    assert torch.isfinite(found.scores).all()
    assert torch.isnan(found.truth).all()


@pytest.mark.parametrize("heads", [[head] for head in ALL] + [["vertex", "event"]])
def test_any_heads_will_do(heads):
    model, x = small(heads=heads), graphs(2)
    assert {*model.side_losses(x)} == {*model.side_scores(x)} == {*heads} - {"event"}
    assert model(x).any() == ("event" in heads)
    assert {*model.temperature} == {*heads}
    loss = torch.tensor(3.0)
    assert torch.equal(model.tempered(loss), 2 * loss if "event" in heads else loss)


def test_a_loss_counts_by_its_weight_and_temperature():
    weights = {"event": 3.0, "semantic": 1.0, "filter": 0.0, "vertex": 0.5}
    x = graphs(2)
    plain = small(temperatures=False, loss_weights=dict.fromkeys(ALL, 1.0))
    tempered = small(loss_weights=weights)
    with torch.no_grad():
        for number, t in enumerate(tempered.temperature.values()):
            t.fill_(number - 1.0)
    expected = {"event": plain.tempered(torch.tensor(2.0)), **plain.side_losses(x)}
    found = {"event": tempered.tempered(torch.tensor(2.0)), **tempered.side_losses(replace(x))}
    for head, loss in expected.items():
        t = tempered.temperature[head].item()
        torch.testing.assert_close(found[head], weights[head] * np.exp(-t) * loss + t)


def test_the_events_last_layers():
    x = graphs(2)
    deep = small(event_hidden=[7, 5])
    z = deep.features(x)
    assert deep.penultimate(z).shape == (2, 5)
    assert deep.penultimate(z).abs().max() < 1
    assert torch.equal(small().penultimate(z), z)
    squeezed = small(event_tanh=True)
    with torch.no_grad():
        squeezed.head.weight.mul_(1e4)
    assert squeezed(x).softmax(dim=1).max() < np.e / (np.e + 3 / np.e) + 1e-6  # 0.711
    assert small(head="cosine")(x).shape == (2, 4)


def test_attention_has_a_gradient_only_if_asked():
    x, y = graphs(2), torch.tensor([0, 1])
    stopped, through = small(heads=["event"]), small(heads=["event"], attention_stopgrad=False)
    assert torch.equal(stopped(x), through(replace(x)))
    a, b = (gradients(model, replace(x), y) for model in (stopped, through))
    assert not torch.allclose(a["body.encoder.net.u.0.weight"], b["body.encoder.net.u.0.weight"], rtol=1e-3)
    moved, epsilon = through.body.encoder.net["u"][0].weight, 1e-2
    ends = []
    for sign in (1, -1):
        with torch.no_grad():
            moved[0, 0] += sign * epsilon
            ends.append(float(total(through, x, y)))
            moved[0, 0] -= sign * epsilon
    difference = (ends[0] - ends[1]) / (2 * epsilon)
    assert float(b["body.encoder.net.u.0.weight"][0, 0]) == pytest.approx(difference, rel=0.02, abs=2e-4)


def test_a_model_is_saved_and_loaded(tmp_path):
    model, x = small(), graphs(2)
    torch.save(model.state_dict(), tmp_path / "model.pt")
    loaded = small(seed=1)
    assert not torch.equal(loaded(x), model(x))
    loaded.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))
    assert torch.equal(loaded(x), model(x))


@versions
def test_it_learns(version):
    """The class and the hits' classes are the signs of two of the inputs."""
    model = small(version=version, heads=["event", "semantic"], iterations=1, planar=12, semantic_loss="cross_entropy")
    x, y = graphs(8, hits=4), torch.arange(8) % 2
    planes = {}
    for name, plane in x.planes.items():
        semantic = torch.arange(len(plane.x)) % 2
        inputs = torch.cat([2 * torch.stack([y[plane.graph], semantic], dim=1) - 1, plane.x[:, 2:]], dim=1)
        planes[name] = replace(plane, x=inputs, semantic=semantic)
    x = replace(x, planes=planes)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.03)
    for _ in range(60):
        optimizer.zero_grad()
        total(model, x, y).backward()
        optimizer.step()
    assert (model(x).argmax(dim=1) == y).all()
    semantic = model.side_scores(x)["semantic"]
    assert (semantic.scores.argmax(dim=1) == semantic.truth).float().mean() > 0.95


# Refusals


def test_what_it_cannot_take_is_refused_in_a_sentence():
    with pytest.raises(UserError, match=r"model=nugraph2 takes graphs, not images; dataset=nugraph has them"):
        NuGraph2().setup(Task(("a", "b"), ("all",), "image", (3, 32, 32)))
    bare = GraphSchema(("u",), 4)
    for head, truth in (("semantic", "semantic class"), ("filter", "semantic class"), ("vertex", "true vertex")):
        with pytest.raises(UserError, match=f"'{head}' learns from the {truth}"):
            network(bare, heads=["event", head])
    with pytest.raises(UserError, match=r"version=v23\.11 has an axis of semantic classes"):
        network(bare, heads=["event"], version="v23.11")
    network(bare, heads=["event"])


def test_options_that_contradict_each_other_are_refused():
    for heads in ([], ["event", "event"]):
        with pytest.raises(ValueError, match="give at least one"):
            NuGraph2(heads=heads)
    with pytest.raises(ValueError, match="head=linear"):
        NuGraph2(event_tanh=True, head="cosine")
