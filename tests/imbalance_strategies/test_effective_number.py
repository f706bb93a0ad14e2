import numpy as np
import pytest
import torch

from src.imbalance_strategies.effective_number import EffectiveNumber, effective_number_weights

LABELS = np.repeat([0, 1], [906, 14979])


@pytest.mark.parametrize(("beta", "golden"), [(0.0, [1, 1]), (0.999, [1.253, 0.747]), (0.9999, [1.799, 0.201])])
def test_the_weights_of_the_emulsion_studys_counts(beta, golden):
    strategy = EffectiveNumber(beta=beta)
    strategy.setup(LABELS, 2)
    assert [round(w, 3) for w in strategy.weights.tolist()] == golden


def test_towards_one_it_is_the_inverse_frequency_without_cancellation():
    counts = np.array([906, 14979])
    inverse = 2 / counts / (1 / counts).sum()
    np.testing.assert_allclose(effective_number_weights(counts, 1 - 1e-12), inverse, rtol=1e-7)


def test_auto_is_the_papers_rule_of_thumb():
    strategy = EffectiveNumber(beta="auto")
    strategy.setup(LABELS, 2)
    wanted = effective_number_weights(np.array([906, 14979]), (15885 - 1) / 15885)
    torch.testing.assert_close(strategy.weights.double(), torch.from_numpy(wanted), rtol=1e-6, atol=0)


def test_an_absent_class_weighs_nothing():
    np.testing.assert_allclose(effective_number_weights(np.array([10, 0, 10]), 0.9), [1, 0, 1])
