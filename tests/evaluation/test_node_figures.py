"""What the figures of nodes show is what they were given."""

import numpy as np
import pytest

from src.evaluation import node_figures as draw

CLASSES, DOMAINS = ("nc", "nue", "numu"), ("genie", "gibuu")
N = 300
RNG = np.random.default_rng(0)
LABELS, DOMAIN, WEIGHT = RNG.integers(3, size=N), RNG.integers(2, size=N), np.ones(N)
ACTIVATIONS = np.maximum(0, RNG.normal(size=(N, 6))).astype(np.float32)


@pytest.mark.parametrize("count", [1, 2, 4, 6])
def test_every_node_has_a_panel_and_every_group_a_histogram(count):
    titles = [f"Node {k}" for k in range(count)]
    figure = draw.node_histogram(ACTIVATIONS[:, :count], titles, LABELS, DOMAIN, WEIGHT, CLASSES, DOMAINS)
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title() for axes in shown] == titles
    for k, axes in enumerate(shown):
        assert (axes.get_yscale(), axes.get_xlabel()) == ("log", "Activation")
        heights = [patch.get_data().values for patch in axes.patches]
        assert [len(height) for height in heights] == [20] * 6
        assert [height.sum() for height in heights] == np.bincount(LABELS * 2 + DOMAIN).tolist()
        assert heights[0][0] == (ACTIVATIONS[(LABELS == 0) & (DOMAIN == 0), k] < ACTIVATIONS[:, k].max() / 20).sum()
        assert [patch.get_linestyle() for patch in axes.patches] == ["-", "--"] * 3
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [f"{c}, {d}" for c in CLASSES for d in DOMAINS]
    figure.draw_without_rendering()
    assert not any(legend.get_window_extent().overlaps(axes.get_tightbbox()) for axes in shown)


def test_an_absent_class_and_a_dead_node_are_drawn_as_nothing():
    figure = draw.node_histogram(np.zeros((N, 1)), ["Node 0"], np.minimum(LABELS, 1), DOMAIN, WEIGHT, CLASSES, DOMAINS)
    figure.draw_without_rendering()
    assert [patch.get_data().values.sum() for patch in figure.axes[0].patches[-2:]] == [0, 0]


def test_scatter_leaves_dead_nodes_out_and_says_how_many():
    first = np.array([0.1, 0.2, np.nan, 0.3, 0.5, np.nan])
    figure = draw.scatter(first, 1 - first, ("numu", "gibuu"))
    (axes,) = figure.axes
    assert axes.lines[0].get_xdata().tolist() == [0.1, 0.2, 0.3, 0.5]
    assert axes.get_title() == "4 live nodes, 2 dead ones left out\nSpearman's ρ = -1.00"
    assert axes.get_xlabel() == "Best purity × efficiency for numu"
    assert axes.get_ylabel() == "Best purity × efficiency for gibuu"
    nothing = draw.scatter(np.full(5, np.nan), np.full(5, np.nan), ("a", "b"))
    assert "too few" in nothing.axes[0].get_title()
