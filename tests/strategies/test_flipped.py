import numpy as np
import pytest
import torch

from src.errors import UserError
from src.strategies.corrected import prior_error, simplex
from src.strategies.flipped import Flipped, prior_behind
from src.transition_matrix import TransitionMatrix
from tests.strategies.linear import T, X, ready

T05 = TransitionMatrix([[0.5, 0.2, 0.3], [0.3, 0.5, 0.2], [0.2, 0.3, 0.5]])
SINGULAR = TransitionMatrix([[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0, 1]])
T06 = TransitionMatrix([[0.4, 0.3, 0.3], [0.3, 0.4, 0.3], [0.3, 0.3, 0.4]])


class Exact(torch.nn.Module):
    """A model that knows P(observed | x) of a clean posterior."""

    def __init__(self, clean, matrix):
        super().__init__()
        self.p = torch.from_numpy(clean @ matrix.columns.T)
        self.feature_dim = 5

    def forward(self, x):
        return self.p.log()


def decoded(decode, clean, matrix, prior=None):
    strategy = ready(Flipped(decode=decode, prior=prior), matrix)
    return strategy.scores(Exact(clean, matrix), X).numpy()


CLEAN = np.random.default_rng(0).dirichlet(np.full(3, 0.7), 4000)


def test_the_inverse_recovers_the_clean_posterior():
    assert np.allclose(decoded("inverse", CLEAN, T), CLEAN, atol=1e-6)
    assert np.allclose(decoded("none", CLEAN, T), CLEAN @ T.columns.T, atol=1e-6)


def test_agreement_with_the_clean_choice_is_that_of_the_facts():
    """Measured with the exact noisy posterior: T_0.5 .911 undecoded, 1 transposed; the asymmetric T .690, .668, .888, 1."""
    agree = lambda decode, matrix: np.mean(decoded(decode, CLEAN, matrix).argmax(1) == CLEAN.argmax(1))  # noqa: E731
    assert agree("none", T05) == pytest.approx(0.911, abs=0.02)
    assert agree("transpose", T05) == agree("inverse", T05) == 1
    assert agree("none", T) == pytest.approx(0.690, abs=0.03)
    assert agree("transpose", T) == pytest.approx(0.668, abs=0.03)
    assert agree("inverse", T) == 1


def test_for_the_studys_second_matrix_no_decoding_can_change_a_choice():
    before = decoded("none", CLEAN, T06).argmax(1)
    for decode in ("transpose", "inverse"):
        assert np.array_equal(decoded(decode, CLEAN, T06).argmax(1), before)


def test_bayes_uses_the_prior_behind_the_observed_counts():
    prior = np.array([0.2, 0.5, 0.3])
    counts = tuple(int(n) for n in np.rint(1e9 * T.columns @ prior))
    assert np.allclose(prior_behind(T, counts), prior, atol=1e-6)


def test_a_given_prior_makes_bayes_rule_the_facts_own():
    """Q[y, s] = T[s, y] / Σ T[s, ·] for equal shares: .888 of the clean choices, with .690 undecoded and .668 transposed."""
    uniform = [1 / 3] * 3
    found = decoded("bayes", CLEAN, T, prior=uniform)
    expected = CLEAN @ T.columns.T @ (T.columns / T.columns.sum(axis=1, keepdims=True))
    assert np.allclose(found, expected, atol=1e-6)
    assert np.mean(found.argmax(1) == CLEAN.argmax(1)) == pytest.approx(0.888, abs=0.02)
    assert np.allclose(decoded("bayes", CLEAN, T05, prior=uniform), decoded("transpose", CLEAN, T05), atol=1e-6)


def test_a_given_prior_asks_nothing_of_the_counts_nor_of_an_inverse(caplog):
    prior = [0.2, 0.5, 0.3]
    strategy = ready(Flipped(decode="bayes", prior=prior), SINGULAR)
    assert np.allclose(strategy.decoder.numpy(), SINGULAR.posterior(prior))
    before = strategy.decoder.clone()
    strategy.sees(
        np.array([1.0, 1.0, 1.0]), np.array([1.0, 1.0, 1.0])
    )  # which class is drawn more often says nothing of y
    assert torch.allclose(strategy.decoder, before, atol=1e-6)
    assert not caplog.text


@pytest.mark.parametrize(("options", "sentence"), [
    ({"decode": "bayes", "prior": [0.5, 0.4, 0.2]}, "the shares of the true classes sum to 1, not to 1.1"),
    ({"decode": "inverse", "prior": [0.5, 0.3, 0.2]}, "decode=inverse needs no class mix"),
])  # fmt: skip
def test_a_prior_that_will_not_do_is_a_sentence(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        Flipped(**options)


def test_a_prior_has_a_share_for_each_class():
    with pytest.raises(UserError, match=r"strategy\.prior has 2 shares, but the dataset has 3 classes"):
        ready(Flipped(decode="bayes", prior=[0.5, 0.5]), T)


def test_a_bad_condition_is_warned_of(caplog):
    ready(Flipped(decode="inverse"), T06)
    assert not caplog.text
    nearly = TransitionMatrix([[0.35, 0.33, 0.32], [0.33, 0.35, 0.32], [0.32, 0.32, 0.36]])
    ready(Flipped(decode="transpose"), nearly)
    assert not caplog.text
    ready(Flipped(decode="inverse"), nearly)
    assert f"condition number {np.linalg.cond(nearly.columns):.0f}, so errors" in caplog.text


def test_bayes_says_how_little_the_observed_counts_tell_of_the_class_mix(caplog):
    rng, n = np.random.default_rng(0), 16_200
    shares = rng.multinomial(n, [1 / 3] * 3, 4000) / n
    assert prior_error(T06, [n / 3] * 3) == pytest.approx((shares @ T06.inverse().T).std(axis=0).max(), rel=0.05)
    strategy = Flipped(decode="bayes")
    ready(strategy, T06)
    strategy.counts = (5400, 5500, 5300)
    strategy.use(T06)
    assert "tell the class mix behind the observed labels to ± 0.037 only" in caplog.text


def test_transpose_is_bayes_where_both_mixes_are_uniform():
    strategy = Flipped(decode="bayes")
    ready(strategy, T05)
    strategy.counts = (10, 10, 10)
    strategy.use(T05)
    assert np.allclose(strategy.decoder.numpy(), T05.rows)


def test_the_projection_is_the_nearest_point_of_the_simplex():
    p = np.random.default_rng(1).normal(size=(200, 4))
    p += (1 - p.sum(1, keepdims=True)) / 4
    found = simplex(p).numpy()
    assert np.allclose(found.sum(1), 1)
    assert (found >= 0).all()
    for rival in np.random.default_rng(2).dirichlet(np.ones(4), 500):
        assert (((p - found) ** 2).sum(1) <= ((p - rival) ** 2).sum(1) + 1e-9).all()
    inside = np.random.default_rng(3).dirichlet(np.ones(4), 50)
    assert np.allclose(simplex(inside).numpy(), inside)


def test_a_singular_matrix_can_not_be_inverted():
    with pytest.raises(UserError, match=r"strategy\.decode=inverse: .*singular"):
        ready(Flipped(decode="inverse"), SINGULAR)
