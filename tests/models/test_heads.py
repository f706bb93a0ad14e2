import pytest
import torch
from torch.nn import functional as F

from src.models.heads import SCALE, CosineHead, last_layer
from src.task import Task
from tests.contracts import yamls
from tests.graphs import graph_task, graphs


def test_logits_are_scaled_cosines_whatever_the_lengths():
    head, z = CosineHead(8, 3), torch.randn(5, 8)
    cosines = F.cosine_similarity(z[:, None], head.weight[None], dim=2)
    torch.testing.assert_close(head(z), SCALE * cosines)
    torch.testing.assert_close(head(7 * z), head(z))
    with torch.no_grad():
        head.weight[1] *= 5
    torch.testing.assert_close(head(z), SCALE * cosines)


def test_no_activation_at_all_gives_no_class_an_advantage_and_no_gradient_explodes():
    head, z = CosineHead(8, 3), torch.zeros(1, 8)
    logits = head(z)
    assert logits.tolist() == [[0, 0, 0]]
    F.cross_entropy(logits, torch.tensor([1])).backward()
    assert torch.isfinite(head.weight.grad).all()


@pytest.mark.parametrize("bias", [True, False])
def test_the_linear_layer_is_torchs_to_the_bit(bias):
    torch.manual_seed(0)
    ours = last_layer("linear", 8, 3, bias=bias)
    torch.manual_seed(0)
    theirs = torch.nn.Linear(8, 3, bias=bias)
    assert torch.equal(ours.weight, theirs.weight)
    assert (ours.bias is None) == (not bias)


@pytest.mark.parametrize("name", yamls.names("model"))
def test_every_model_takes_a_cosine_head_and_ends_in_it(name):
    model = yamls.build("model", name, head="cosine")
    pictures = Task(("a", "b", "c"), ("all",), "image", (1, 64, 64))
    model.setup(graph_task(classes=3) if name == "nugraph2" else pictures)
    assert [type(m) for m in model.head.modules() if not list(m.children())][-1] is CosineHead
    logits = model.eval()(graphs(4) if name == "nugraph2" else torch.rand(4, 1, 64, 64))
    assert logits.abs().max() <= SCALE * (1 + 1e-6)
    plain = yamls.build("model", name)
    assert plain.last == "linear"
