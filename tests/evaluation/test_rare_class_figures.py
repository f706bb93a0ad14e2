"""What the figures of a rare class show is what they were given."""

import itertools
import warnings

import numpy as np
import pytest
from scipy.stats import t

from src.evaluation import rare_class_figures as draw

CLASSES = ("cc_nue", "cc_numu", "cc_nutau", "nc")
COUNTS = np.array([[50.0, 5, 1, 4], [6, 44, 2, 8], [3, 1, 4, 2], [9, 10, 3, 78]])


@pytest.fixture(autouse=True)
def no_warning():
    with warnings.catch_warnings(action="error"):
        yield


def texts(axes):
    return {tuple(text.get_position()): text.get_text() for text in axes.texts}


def test_the_first_true_class_is_at_the_bottom_so_that_what_is_right_rises_to_the_right():
    figure = draw.matrices({"one": COUNTS}, CLASSES, "predicted")
    figure.draw_without_rendering()
    axes = figure.axes[0]
    places = [axes.transData.transform((k, k)) for k in range(4)]
    assert (np.diff(places, axis=0) > 0).all(), "from the lower left to the upper right"
    assert [label.get_text() for label in axes.get_yticklabels()] == list(CLASSES)
    assert [label.get_text() for label in axes.get_xticklabels()] == list(CLASSES)
    tau, nc = 2, 3
    assert texts(axes)[tau, tau] == f"{4 / 10:.2f}\n4", "of those called tau"
    assert texts(axes)[tau, nc] == f"{3 / 10:.2f}\n3", "column tau, row nc"
    assert texts(axes)[nc, tau] == f"{2 / 92:.2f}\n2", "column nc, row tau"
    np.testing.assert_allclose(axes.images[0].get_array()[nc, tau], 0.3)


def test_recall_is_over_the_true_class_and_a_class_that_is_never_called_has_no_precision():
    never = np.array([[3.0, 0], [2, 0]])
    recall, precision = (draw.matrices({"one": never}, ("a", "b"), over).axes[0] for over in ("true", "predicted"))
    assert texts(recall)[0, 1] == "1.00\n2"
    assert texts(precision)[1, 1] == "–"


def test_an_odd_number_of_matrices_leaves_no_empty_panel():
    figure = draw.matrices(dict.fromkeys("abc", COUNTS), CLASSES, "true")
    assert [axes.get_title() for axes in figure.axes if axes.get_visible()][:3] == ["a", "b", "c"]
    assert sum(axes.get_visible() for axes in figure.axes) == 3 + 1  # the colour bar


def test_bars_have_the_counts_and_do_not_overlap():
    counts = {"events": np.array([700, 690, 120, 1500]), "with repeats": np.array([700, 690, 840, 1500])}
    (axes,) = draw.frequencies(counts, CLASSES, "Events").axes
    for bars, expected in zip(axes.containers, counts.values(), strict=True):
        assert [bar.get_height() for bar in bars] == expected.tolist()
    edges = sorted((bar.get_x(), bar.get_x() + bar.get_width()) for bar in axes.patches)
    assert all(one[1] <= other[0] + 1e-9 for one, other in itertools.pairwise(edges))
    assert "1,500" in {text.get_text() for text in axes.texts}


def test_losses_are_means_over_seeds_by_epoch():
    training = {"original": [np.array([3.0, 1]), np.array([5.0, 2])], "modified": [np.array([2.0])]}
    left, right = draw.losses(training, {"original": [np.array([1.0, 0.5])]}).axes
    mean = next(line for line in left.lines if line.get_label() == "original")
    assert mean.get_xdata().tolist() == [1, 2]
    assert mean.get_ydata().tolist() == [4, 1.5]
    assert len(left.lines) == 3 + 2
    assert "cross-entropy" in right.get_ylabel()


def test_arms_have_t_intervals_and_the_reference_a_line():
    values = {"original": [0.1, 0.2, 0.3], "weighted": [0.5, 0.7, 0.6]}
    figure = draw.arms({"recall": values, "precision": values}, "original")
    axes = figure.axes[0]
    half = t.ppf(0.975, 2) * 0.1 / np.sqrt(3)
    intervals = [line.get_xdata() for line in axes.lines if line.get_linestyle() == "-" and line.get_marker() == "None"]
    np.testing.assert_allclose(intervals, [[0.2 - half, 0.2 + half], [0.6 - half, 0.6 + half]])
    (dashed,) = (line for line in axes.lines if line.get_linestyle() == "--")
    assert dashed.get_xdata()[0] == pytest.approx(0.2)
    assert [label.get_text() for label in axes.get_yticklabels()] == list(values)
    assert axes.get_ylim()[0] > axes.get_ylim()[1], "the first arm on top"
