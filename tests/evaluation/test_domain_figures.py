"""What the figures of two domains show is what they were given."""

import warnings

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from src.evaluation import domain_figures as draw

CLASSES, DOMAINS = ("nc", "$νe$ CC", "numu"), ("genie", "gibuu")
N = 400
RNG = np.random.default_rng(0)
LABELS, DOMAIN, WEIGHT = RNG.integers(3, size=N), RNG.integers(2, size=N), RNG.gamma(1.0, size=N)
POSITIVE = LABELS == 2
SCORES = {f"{s:g}": 1 / (1 + np.exp(s * POSITIVE - RNG.normal(2 * POSITIVE, 1))) for s in (0, 0.1, 0.9)}


@pytest.fixture(autouse=True)
def no_warning():
    with warnings.catch_warnings(action="error"):
        yield


def legend(figure):
    (found,) = figure.legends
    return [text.get_text() for text in found.get_texts()]


def inside(figure):
    """Whether nothing is cut off, and no legend lies on a panel."""
    figure.draw_without_rendering()
    whole = figure.bbox
    boxes = [axes.get_tightbbox() for axes in figure.axes if axes.get_visible()]
    legends = [one.get_window_extent() for one in figure.legends]
    within = all(
        box.x0 >= -1 and box.y0 >= -1 and box.x1 <= whole.x1 + 1 and box.y1 <= whole.y1 + 1 for box in boxes + legends
    )
    return within and not any(one.overlaps(box) for one in legends for box in boxes)


def test_roc_of_every_scale_in_both_domains():
    figure = draw.overlaid_roc(SCORES, POSITIVE, WEIGHT, DOMAIN, CLASSES[2], DOMAINS)
    areas = {
        name: [roc_auc_score(POSITIVE[at], score[at], sample_weight=WEIGHT[at]) for at in (DOMAIN == 0, DOMAIN == 1)]
        for name, score in SCORES.items()
    }
    assert legend(figure) == [f"{name}  {a:.3f} / {b:.3f}" for name, (a, b) in areas.items()]
    assert figure.legends[0].get_title().get_text() == "numu, area by scale: genie / gibuu"
    (axes,) = figure.axes
    curves = [line for line in axes.lines if len(line.get_xdata()) > 2]
    assert [line.get_linestyle() for line in curves] == ["-", "--"] * 3
    colours = [line.get_color() for line in curves]
    assert colours[::2] == colours[1::2]
    assert len(set(colours)) == 3
    inner = axes.get_legend()
    assert [
        (t.get_text(), h.get_linestyle()) for t, h in zip(inner.get_texts(), inner.legend_handles, strict=True)
    ] == [
        ("genie", "-"),
        ("gibuu", "--"),
    ]
    assert "Background efficiency" in axes.get_xlabel()
    assert inside(figure)


def test_a_class_that_a_domain_lacks_has_no_curve_there():
    here = POSITIVE & (DOMAIN == 0)
    figure = draw.overlaid_roc(SCORES, here, WEIGHT, DOMAIN, "numu", DOMAINS)
    assert all(entry.endswith("/ –") for entry in legend(figure))
    nothing = np.zeros(N, dtype=bool)
    assert inside(draw.overlaid_roc(SCORES, nothing, WEIGHT, DOMAIN, "numu", DOMAINS))
    assert inside(draw.overlaid_cuts(SCORES, nothing, WEIGHT, "numu"))
    assert inside(draw.cropped_outputs(SCORES["0"], np.minimum(LABELS, 1), WEIGHT, "numu", CLASSES))
    assert inside(draw.domain_scores(SCORES["0"], np.zeros(N, dtype=int), WEIGHT, DOMAINS))
    assert inside(draw.class_mix(LABELS, nothing, WEIGHT, CLASSES, "gibuu", "P(gibuu) > 0.7"))


def test_cuts_show_purity_efficiency_and_product():
    figure = draw.overlaid_cuts(SCORES, POSITIVE, WEIGHT, CLASSES[1], varied="strength")
    assert [axes.get_title() for axes in figure.axes] == ["Purity", "Efficiency", "Purity × efficiency"]
    assert {axes.get_xlabel() for axes in figure.axes} == {r"Cut on p(\$νe\$ CC)"}
    assert legend(figure) == ["0", "0.1", "0.9"]
    assert figure.legends[0].get_title().get_text() == "Strength"
    kept = SCORES["0.1"] >= 0.5
    signal = WEIGHT[kept & POSITIVE].sum()
    expected = [signal / WEIGHT[kept].sum(), signal / WEIGHT[POSITIVE].sum()]
    values = [axes.lines[1].get_ydata()[50] for axes in figure.axes]
    assert values == pytest.approx([*expected, expected[0] * expected[1]])
    assert inside(figure)


def test_histograms_are_shares_of_each_domain_and_group():
    figure = draw.domain_scores(SCORES["0"], DOMAIN, WEIGHT, DOMAINS)
    assert [patch.get_data().values.sum() for patch in figure.axes[0].patches] == pytest.approx([1, 1])
    assert [patch.get_linestyle() for patch in figure.axes[0].patches] == ["-", "--"]
    assert figure.axes[0].get_xlabel() == "P(genie)"
    assert legend(figure) == ["genie", "gibuu"]
    assert inside(figure)


@pytest.mark.parametrize("log", [False, True])
def test_bands_by_name_with_their_sizes(log):
    hits = {
        "gibuu, P(genie) < 0.2": RNG.gamma(9, 20, 300),
        "genie": np.array([0.0, 20, np.nan, 30]),
        "none": np.array([]),
    }
    figure = draw.band_histogram({k: (x, np.ones(len(x))) for k, x in hits.items()}, "Hits in the slice", log=log)
    (axes,) = figure.axes
    assert legend(figure) == ["gibuu, P(genie) < 0.2 (300)", "genie (4)"]
    assert axes.get_xscale() == ("log" if log else "linear")
    assert axes.get_xlabel() == "Hits in the slice"
    assert [patch.get_data().values.sum() for patch in axes.patches] == pytest.approx([1, 0.5 if log else 0.75])
    assert inside(figure)
    assert inside(draw.band_histogram({"none": (np.array([]), np.array([]))}, "Hits", log=log))


def test_class_mix_counts_and_binomial_errors():
    labels, chosen = np.repeat([0, 1], [60, 40]), np.arange(100) % 4 == 0
    figure = draw.class_mix(labels, chosen, np.ones(100), CLASSES, "gibuu", "P(gibuu) > 0.7")
    (axes,) = figure.axes
    assert [bar.get_height() for bar in axes.patches] == pytest.approx([0.6, 0.4, 0, 0.6, 0.4, 0])
    assert [text.get_text() for text in axes.texts] == ["60", "40", "0", "15", "10", "0"]
    assert legend(figure) == ["all of gibuu (100)", "P(gibuu) > 0.7 (25)"]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["nc", r"\$νe\$ CC", "numu"]
    assert inside(figure)


def test_errors_are_wilson_s():
    below, above = draw.wilson(np.array([0.0, 0.4, 1.0]), 25)
    assert [below[0], above[2]] == [0, 0]
    assert [above[0], below[2]] == pytest.approx([1 / 26, 1 / 26])
    for edge in (0.4 - below[1], 0.4 + above[1]):  # where the observed share is one standard deviation away
        assert abs(0.4 - edge) == pytest.approx(np.sqrt(edge * (1 - edge) / 25))
    weight = np.full(100, 3.0)
    once, thrice = (draw.class_mix(LABELS[:100], POSITIVE[:100], w, CLASSES, "", "") for w in (weight / 3, weight))
    spans = [
        [c.lines[2][0].get_segments() for c in figure.axes[0].containers if hasattr(c, "has_yerr")]
        for figure in (once, thrice)
    ]
    assert np.shape(spans) == (2, 2, 3, 2, 2)
    np.testing.assert_allclose(spans[0], spans[1])


def test_gap_by_scale_shows_seeds_means_and_intervals():
    measured = {"Accuracy": [[0.6, 0.7, 0.8], [0.5, 0.5, 0.5]], "Gap in ROC AUC (genie − gibuu)": [[0.02], [-0.01]]}
    figure = draw.gap_by_scale([0, 0.9], measured)
    left, right = figure.axes
    assert [left.get_ylabel(), right.get_ylabel()] == [*measured]
    assert left.get_xlabel() == "Scale"
    assert sorted(np.concatenate([line.get_ydata() for line in left.lines if line.get_linestyle() == "None"])[:6]) == [
        0.5,
        0.5,
        0.5,
        0.6,
        0.7,
        0.8,
    ]
    mean, _, (bars,) = left.containers[0].lines
    np.testing.assert_allclose(mean.get_ydata(), [0.7, 0.5])
    np.testing.assert_allclose(
        bars.get_segments()[0][:, 1], 0.7 + np.array([-1, 1]) * 4.303 * 0.1 / np.sqrt(3), atol=1e-4
    )
    assert sorted(legend(figure)) == ["a seed", "mean, 95 % interval"]
    assert inside(figure)


def test_outputs_are_cropped_to_the_rarest_class():
    labels = np.repeat([0, 1, 2], [300, 20, 80])
    score = np.repeat([0.1, 0.5, 0.9], [300, 20, 80])
    figure = draw.cropped_outputs(score, labels, np.ones(N), "numu", CLASSES)
    upper, lower = figure.axes
    assert upper.get_ylim()[1] > 300
    assert lower.get_ylim() == (0, pytest.approx(22))
    assert lower.get_xlabel() == "p(numu)"
    assert "rarest" in lower.get_title()
    assert legend(figure) == ["nc", r"\$νe\$ CC", "numu"]
    assert inside(figure)
