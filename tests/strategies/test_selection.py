import pytest
import torch

from src.strategies.selection import easiest, hardest, mean_of, smallest
from tests.strategies.linear import X, Y, criterion, model_of


def test_stratified_selection_keeps_each_classs_share_and_plain_selection_does_not():
    """Class 2 is rare and badly fitted, as minorities are."""
    y = torch.tensor([0] * 60 + [1] * 30 + [2] * 10)
    values = torch.rand(100, generator=torch.Generator().manual_seed(0)) + 2.0 * (y == 2)
    assert y[smallest(values, y, 3, 0.8)].bincount(minlength=3).tolist() == [48, 24, 8]
    assert y[smallest(values, 0 * y, 1, 0.8)].bincount(minlength=3)[2] == 0
    kept = smallest(values, y, 3, 0.5)
    for c in range(3):
        assert values[kept & (y == c)].max() <= values[~kept & (y == c)].min()


def test_at_least_one_example_of_each_group_is_kept():
    y = torch.tensor([0, 0, 0, 1, 2])
    kept = smallest(torch.tensor([3.0, 1.0, 2.0, 9.0, 9.0]), y, 3, 0.01)
    assert kept.tolist() == [False, True, False, True, True]
    assert smallest(torch.tensor([3.0, 1.0]), torch.zeros(2, dtype=torch.int64), 1, 0.01).tolist() == [False, True]


@pytest.mark.parametrize("stratify", [True, False])
def test_the_easiest_are_the_most_probable_labels_and_the_hardest_the_least(stratify):
    log_probs = model_of()(X).log_softmax(dim=1)
    values, group = criterion(log_probs, Y), Y if stratify else 0 * Y
    easy, hard = easiest(log_probs, Y, 0.3, stratify), hardest(log_probs, Y, 0.3, stratify)
    for c in group.unique():
        mine = group == c
        assert easy[mine].sum() == hard[mine].sum() == round(0.3 * int(mine.sum()))
        assert values[easy & mine].max() <= values[~easy & mine].min()
        assert values[hard & mine].min() >= values[~hard & mine].max()


def test_the_easy_and_the_other_hard_ones_are_the_batch():
    log_probs = model_of()(X).log_softmax(dim=1)
    assert torch.equal(easiest(log_probs, Y, 0.25, False), ~hardest(log_probs, Y, 0.75, False))


def test_nothing_is_learned_from_choosing():
    log_probs = model_of()(X).log_softmax(dim=1)
    assert not easiest(log_probs, Y, 0.5, True).requires_grad
    values = torch.tensor([1.0, 2.0, 4.0], requires_grad=True)
    mean_of(values, torch.tensor([True, False, True])).backward()
    assert values.grad.tolist() == [0.5, 0, 0.5]
