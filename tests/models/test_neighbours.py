import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from src.models.neighbours import Neighbours, _Products, weighted_sum

EDGES = torch.tensor([[0, 4, 2, 1, 0, 3, 0], [3, 0, 0, 1, 3, 0, 1]])  # from 5 nodes to 4, of which 2 hears nobody


def doubles(*shape):
    return torch.randn(*shape, dtype=torch.double, generator=torch.Generator().manual_seed(sum(shape))).requires_grad_()


def by_hand(x, weight, edges):
    total = torch.zeros(edges.targets, x.shape[1], dtype=x.dtype)
    for number, (source, target) in enumerate(zip(edges.source, edges.target, strict=True)):
        total[target] += weight[number] * x[source]
    return total


def test_edges_are_sorted_by_target_and_none_is_lost():
    edges = Neighbours.of(EDGES, 5, 4)
    assert edges.target.tolist() == sorted(EDGES[1].tolist())
    assert sorted(zip(*EDGES.tolist(), strict=True)) == sorted(
        zip(edges.source.tolist(), edges.target.tolist(), strict=True)
    )
    assert edges.starts.tolist() == [0, 3, 5, 5, 7]


def test_the_sum_is_the_sum():
    edges = Neighbours.of(EDGES, 5, 4)
    x, weight = doubles(5, 3), doubles(7)
    torch.testing.assert_close(weighted_sum(x, weight, edges), by_hand(x, weight, edges))
    torch.testing.assert_close(
        weighted_sum(x, edges.share, edges)[0], x[EDGES[0][EDGES[1] == 0]].mean(dim=0)
    )  # shares make it the mean


def test_the_way_back_is_the_transpose():
    edges = Neighbours.of(EDGES, 5, 4)
    x, y, weight = doubles(5, 3), doubles(4, 3), doubles(7)
    there = (weighted_sum(x, weight, edges) * y).sum()
    back = (weighted_sum(y, weight[edges.order], edges.reversed) * x).sum()
    torch.testing.assert_close(there, back)


def test_copies_are_summed_apart():
    edges, twice = Neighbours.of(EDGES, 5, 4), Neighbours.of(EDGES, 5, 4, copies=2)
    x, weight = doubles(2, 5, 3), doubles(2, 7)
    found = weighted_sum(x, weight, twice)
    assert found.shape == (2, 4, 3)
    for copy in range(2):
        torch.testing.assert_close(found[copy], weighted_sum(x[copy], weight[copy], edges))


def test_derivatives_of_both_orders_and_modes():
    edges = Neighbours.of(EDGES, 5, 4)
    for function, given in (
        (lambda x, weight: weighted_sum(x, weight, edges), (doubles(5, 3), doubles(7))),
        (lambda y, x: _Products.apply(y, x, edges), (doubles(4, 3), doubles(5, 3))),
    ):
        assert gradcheck(function, given, check_forward_ad=True)
        assert gradgradcheck(function, given, check_fwd_over_rev=True)


@pytest.mark.parametrize(("sources", "targets"), [(0, 3), (3, 0), (3, 3), (0, 0)])
def test_where_there_is_no_edge_the_sum_is_zero(sources, targets):
    edges = Neighbours.of(torch.zeros(2, 0, dtype=torch.int64), sources, targets)
    x, weight = torch.rand(sources, 2, requires_grad=True), torch.rand(0, requires_grad=True)
    found = weighted_sum(x, weight, edges)
    assert torch.equal(found, torch.zeros(targets, 2))
    found.sum().backward()
    assert torch.equal(x.grad, torch.zeros(sources, 2))
    assert weight.grad.shape == (0,)
