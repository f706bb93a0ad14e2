import numpy as np
import pytest
import torch
from torch.nn import functional as F

from src.errors import UserError
from src.imbalance_strategies.focal import Focal

LABELS = np.repeat([0, 1, 2], [5, 3, 2])
LOGITS, Y = torch.tensor([[2, 0, -1], [0.1, 0.2, 0.3]]), torch.tensor([0, 2])


def criterion(**options):
    strategy = Focal(**options)
    strategy.setup(LABELS, 3)
    return strategy.criterion


@pytest.mark.parametrize(("gamma", "golden"), [
    (0.0, [0.1698460, 1.0019428]), (1.0, [0.0265308, 0.6340641]), (2.0, [0.0041443, 0.4012577]),
    (5.0, [1.5796e-5, 0.1016937]),
])  # fmt: skip
def test_golden_values(gamma, golden):
    loss = criterion(gamma=gamma)(LOGITS.double().log_softmax(1), Y)
    np.testing.assert_allclose(loss.numpy(), golden, rtol=1e-4)


def test_two_classes_are_torchvisions_sigmoid_focal_loss():
    ops = pytest.importorskip("torchvision.ops")
    z, y = torch.randn(50, dtype=torch.float64), torch.arange(50) % 2
    strategy = Focal(alpha=[0.75, 0.25])
    strategy.setup(np.array([0, 1]), 2)
    ours = strategy.criterion(torch.stack([torch.zeros_like(z), z], dim=1).log_softmax(1), y)
    torch.testing.assert_close(ours, ops.sigmoid_focal_loss(z, y.double(), alpha=0.25, gamma=2.0))


def test_the_weight_does_not_enter_the_modulating_factor():
    """As it does where p is taken from the weighted cross-entropy, a bug that many copies have."""
    log_probs = LOGITS.log_softmax(1)
    plain, weighted = criterion()(log_probs, Y), criterion(alpha=[3.0, 1.0, 5.0])(log_probs, Y)
    torch.testing.assert_close(weighted, plain * torch.tensor([3.0, 5.0]))


@pytest.mark.parametrize("gamma", [1.0, 2.0])
def test_the_gradient_at_certainty_is_finite(gamma):
    z = torch.tensor([[200.0, 0, 0]], requires_grad=True)
    criterion(gamma=gamma)(z.log_softmax(1), torch.tensor([0])).sum().backward()
    assert torch.isfinite(z.grad).all()
    with pytest.raises(ValueError, match=r"gamma=0\.5: the gradient is infinite at p = 1"):
        Focal(gamma=0.5)


def test_gamma_zero_is_cross_entropy_and_alpha_needs_a_weight_a_class():
    torch.testing.assert_close(
        criterion(gamma=0.0)(LOGITS.log_softmax(1), Y), F.cross_entropy(LOGITS, Y, reduction="none")
    )
    with pytest.raises(UserError, match="2 weights for 3 classes"):
        criterion(alpha=[1.0, 2.0])
