"""What the figures of finding a rare class show is what they were given."""

import numpy as np
import pytest

from src.evaluation import detection_figures as draw
from src.evaluation.detection_figures import Selection


def legend(figure):
    (found,) = figure.legends or [figure.axes[0].get_legend()]
    return [text.get_text() for text in found.get_texts()]


def test_losses_mark_the_chosen_epoch_of_every_training():
    curves = [np.array([1.0, 0.5, 0.4]), np.array([1.0, 0.6, 0.7])]
    figure = draw.losses(curves, [c + 1 for c in curves], [3, 2])
    axes = figure.axes[0]
    marks = [line for line in axes.lines if line.get_marker() == "o"]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in marks] == [(3, 1.4), (2, 1.6)]
    assert len(axes.lines) == 6
    assert figure.legends[0].get_title().get_text().startswith("2 trainings")


def test_outputs_count_all_events_and_show_the_cut():
    rng = np.random.default_rng(0)
    positive = rng.random(500) < 0.1
    figure = draw.outputs(rng.normal(3 * positive, 1), positive, "alpha", "other", 1.25)
    axes = figure.axes[0]
    assert {f"alpha ({positive.sum()})", f"other ({(~positive).sum()})", "cut at the asked recall, 1.25"} <= set(
        legend(figure)
    )
    assert [line.get_xdata()[0] for line in axes.lines] == [0, 1.25]
    assert axes.get_yscale() == "log"


def test_precision_recall_names_every_model_with_its_average_precision():
    positive = np.array([True, False, True, False])
    good, bad = np.array([0.9, 0.1, 0.8, 0.2]), np.array([0.1, 0.9, 0.2, 0.8])
    figure = draw.precision_recall(
        {"seed 0": good}, positive, [Selection("cuts", 0.5, 0.25, (0.1, 0.05))], {"trees": bad}
    )
    assert legend(figure) == ["seed 0  1.000", "trees  0.417", "cuts (± √N)"]
    point = figure.axes[0].containers[0].lines[0]
    assert (point.get_xdata()[0], point.get_ydata()[0]) == (0.5, 0.25)


@pytest.mark.parametrize("counts", [(3, 2), (1, 1)])
def test_crops_stand_in_rows_by_kind(counts):
    pictures = {f"kind {i}": np.full((n, 3, 8, 8), 40 * i, np.uint8) for i, n in enumerate(counts)}
    figure = draw.crops(pictures, 87.0)
    assert [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()] == ["kind\n0", "kind\n1"]
    assert sum(len(axes.images) for axes in figure.axes) == sum(counts)
    assert "87 µm" in figure.get_supxlabel()
