from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from src.models.nugraph_losses import filter_loss, log_cosh, semantic_loss

STORED = np.load(Path(__file__).parents[1] / "reference" / "nugraph" / "golden_units.npz")
LOGITS, Y = torch.from_numpy(STORED["recall/logits"]), torch.from_numpy(STORED["recall/y"])


def test_the_recall_loss_and_its_gradient_are_the_originals():
    logits = LOGITS.clone().requires_grad_()
    loss = semantic_loss(logits, Y, "recall", "all")
    loss.backward()
    np.testing.assert_allclose(loss.detach(), STORED["recall/loss"], rtol=1e-6)
    np.testing.assert_allclose(logits.grad, STORED["recall/grad"], atol=1e-7)


def by_hand(mean):
    total = 0.0
    for logits, y in zip(LOGITS, Y, strict=True):
        if y >= 0:
            recall = (LOGITS.argmax(dim=1) == y)[y == Y].float().mean()
            total += float((1 - recall) * -logits.log_softmax(dim=0)[y])
    return total / (len(Y) if mean == "all" else int((Y >= 0).sum()))


@pytest.mark.parametrize("mean", ["all", "labelled"])
def test_the_recall_loss_by_hand(mean):
    assert (Y < 0).any()
    assert float(semantic_loss(LOGITS, Y, "recall", mean)) == pytest.approx(by_hand(mean), rel=1e-5)


def test_a_class_that_is_all_right_teaches_nothing():
    logits = torch.tensor([[0.1, 0.0], [0.1, 0.0], [0.1, 0.0]], requires_grad=True)
    semantic_loss(logits, torch.tensor([0, 0, 1]), "recall", "all").backward()
    assert logits.grad[:2].abs().max() == 0
    assert logits.grad[2].abs().min() > 0


def test_cross_entropy_and_focal_are_means_over_hits_with_a_class():
    known = Y >= 0
    plain = F.cross_entropy(LOGITS[known], Y[known])
    torch.testing.assert_close(semantic_loss(LOGITS, Y, "cross_entropy", "all"), plain)
    p = LOGITS[known].softmax(dim=1).gather(1, Y[known, None])
    torch.testing.assert_close(semantic_loss(LOGITS, Y, "focal", "all"), (-((1 - p) ** 2) * p.log()).mean())


@pytest.mark.parametrize("kind", ["recall", "cross_entropy", "focal"])
@pytest.mark.parametrize("mean", ["all", "labelled"])
def test_without_a_class_there_is_nothing_to_lose(kind, mean):
    for size in (0, 3):
        logits = torch.rand(size, 4, requires_grad=True)
        loss = semantic_loss(logits, torch.full((size,), -1), kind, mean)
        loss.backward()
        assert loss.item() == 0
        assert not logits.grad.any()


def test_the_filter_loss_is_the_cross_entropy_of_being_of_a_particle():
    logits = LOGITS[:, 0]
    expected = F.binary_cross_entropy(logits.sigmoid(), (Y != -1).float())
    torch.testing.assert_close(filter_loss(logits, Y), expected)
    assert float(filter_loss(logits[:0], Y[:0])) == 0


def test_log_cosh_is_the_originals():
    found, true = torch.from_numpy(STORED["logcosh/x"]), torch.from_numpy(STORED["logcosh/y"])
    np.testing.assert_allclose(log_cosh(found, true), STORED["logcosh/loss"], rtol=1e-6)
    r = np.linalg.norm(found.double() - true, axis=1)
    assert float(log_cosh(found, true)) == pytest.approx(float(np.log(np.cosh(r)).mean()), rel=1e-5)


def test_log_cosh_is_zero_with_no_gradient_at_the_truth():
    found = torch.ones(2, 3, requires_grad=True)
    loss = log_cosh(found, torch.ones(2, 3))
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-7)
    assert not found.grad.any()
