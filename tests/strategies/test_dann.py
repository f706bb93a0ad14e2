"""The reversed gradient is what it says; with strength 0 nothing but plain training is left."""

import pytest
import torch

from src.errors import UserError
from src.models.mlr import MLR
from src.strategies.dann import DANN
from src.strategies.domain_head import reverse_gradient
from src.strategies.erm import ERM
from src.task import Task
from tests.strategies.domains import batch, criterion, made


@pytest.mark.parametrize("scale", [0.0, 0.3, 1.0, 2.5])
def test_forward_is_the_identity_and_backward_minus_scale_times_the_gradient(scale):
    x = torch.randn(5, 4, requires_grad=True)
    y = reverse_gradient(x, scale)
    assert torch.equal(y, x)
    upstream = torch.randn(5, 4)
    y.backward(upstream)
    torch.testing.assert_close(x.grad, -scale * upstream, rtol=0, atol=0)


def test_the_reversal_works_under_torch_func():
    x = torch.randn(5, 4)

    def f(v):
        return (reverse_gradient(v, 0.5) ** 2).sum()

    torch.testing.assert_close(torch.func.grad(f)(x), -x)
    torch.testing.assert_close(torch.func.vmap(torch.func.grad(f))(x), -x)
    _, tangent = torch.func.jvp(f, (x,), (torch.ones_like(x),))
    torch.testing.assert_close(tangent, -x.sum())


def backbone_gradient(strategy, source, target):
    model, strategy = made(strategy)
    torch.manual_seed(0)
    strategy.loss(model, source, target, None, 0.5)["total"].backward()
    return model.body.weight.grad


def test_strength_zero_leaves_the_gradient_of_plain_training():
    source, target = batch(8, 0), batch(8, 1, hidden=True, seed=1)
    torch.testing.assert_close(
        backbone_gradient(DANN(scale=0.0), source, target), backbone_gradient(ERM(), source, None)
    )


def test_the_domains_share_of_the_gradient_is_linear_in_the_strength():
    source, target = batch(8, 0), batch(8, 1, hidden=True, seed=1)
    zero, half, one = (backbone_gradient(DANN(scale=s), source, target) for s in (0.0, 0.5, 1.0))
    torch.testing.assert_close(2 * (half - zero), one - zero)
    assert (one - zero).abs().sum() > 0


def test_the_ramp_is_ganins():
    at = DANN(scale="ramp").scale_at
    assert [round(at(p), 4) for p in (0, 0.1, 0.25, 0.5, 1)] == [0, 0.4621, 0.8483, 0.9866, 0.9999]


@pytest.mark.parametrize("n", [2, 7, 33])
def test_every_row_meets_its_own_domain_label_at_any_batch_size(n):
    model, strategy = made(DANN(scale=0.0, dropout=0.0))
    source, target = batch(n, 0), batch(n + 3, 1, hidden=True, seed=1)
    found = strategy.loss(model, source, target, None, 0.0)
    logits = strategy.head(model.features(torch.cat([source.x, target.x])))
    domain = torch.tensor([0] * n + [1] * (n + 3))
    torch.testing.assert_close(found["domain"], torch.nn.functional.cross_entropy(logits, domain))


def test_target_labels_count_only_where_they_may_be_seen():
    source, hidden = batch(8, 0), batch(8, 1, hidden=True, seed=1)
    seen = batch(8, 1, seed=1)
    model, strategy = made(DANN(scale=0.0, dropout=0.0))
    erm = made(ERM())[1]
    of_source = strategy.loss(model, source, hidden, None, 0.0)["class"]
    torch.testing.assert_close(of_source, erm.loss(model, source, None, None, 0.0)["total"])
    of_both = strategy.loss(model, source, seen, None, 0.0)["class"]
    of_seen = erm.loss(model, seen, None, None, 0.0)["total"]
    torch.testing.assert_close(of_both, (of_source + of_seen) / 2)


def test_one_domain_is_refused():
    with pytest.raises(UserError, match="strategy=dann needs a dataset with two domains"):
        DANN().setup(Task(("a", "b"), ("all",), "vector", (6,)), MLR(), criterion)
