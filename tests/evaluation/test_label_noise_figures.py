"""Figures of label noise: what they show is what was given, and what is wrong is marked."""

import json
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.colors import to_hex

from src.evaluation import label_noise_figures as draw
from src.evaluation.plots import draw as draw_run
from src.evaluation.statistics import summary
from src.transition_matrix import TransitionMatrix

NAMES = ("T-shirt", "Trouser", "Dress")
T = TransitionMatrix([[0.9, 0.3, 0.1], [0.05, 0.4, 0.1], [0.05, 0.3, 0.8]])
RNG = np.random.default_rng(0)


def panels(figure):
    return [axes for axes in figure.axes if axes.images]


def no_overlap(figure, texts):
    figure.draw_without_rendering()
    found = sorted((text.get_window_extent() for text in texts), key=lambda box: box.y0)
    return all(above.y0 >= below.y1 - 0.5 for below, above in pairwise(found))


# --- pictures ---


def test_samples_show_twenty_and_mark_the_wrong_ones():
    labels, true = np.arange(30) % 3, np.where(np.arange(30) == 4, 0, np.arange(30) % 3)
    figure = draw.samples(RNG.random((30, 1, 8, 8)), labels, NAMES, true)
    shown = panels(figure)
    assert len(shown) == draw.SHOWN
    assert [axes.get_title() for axes in shown[:5]] == [
        "T-shirt",
        "Trouser",
        "Dress",
        "T-shirt",
        "Trouser\n(is T-shirt)",
    ]
    assert [axes.title.get_color() == draw.WRONG for axes in shown] == [i == 4 for i in range(20)]
    assert "1 of 20" in figure.get_supxlabel()
    unknown = draw.samples(RNG.random((3, 1, 8, 8)), labels[:3], NAMES)
    assert len(panels(unknown)) == 3
    assert not unknown.get_supxlabel()


def test_suspects_show_observed_and_suggested():
    figure = draw.suspects(RNG.random((2, 1, 8, 8)), ["a", "b"], ["b", "c"], np.array([True, False]))
    assert [axes.get_title() for axes in panels(figure)] == ["a → b", "b → c"]
    assert [axes.title.get_color() == draw.WRONG for axes in panels(figure)] == [True, False]
    assert figure.get_supxlabel() == "observed → suggested label; red: the observed label is wrong (1 of 2)"
    long = draw.suspects(RNG.random((2, 1, 8, 8)), ["T-shirt-top", "a"], ["Trouser", "b"], None)
    assert [axes.get_title() for axes in panels(long)] == ["T-shirt-top →\nTrouser", "a →\nb"]
    assert long.get_supxlabel() == "observed → suggested label"


def test_pictures_of_channels_and_views():
    colour = np.stack([np.full((2, 3), v, dtype=np.float32) for v in (-1, 0, 1)])
    np.testing.assert_allclose(draw.as_picture(colour)[0, 0], [0, 0.5, 1])
    views = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    picture = draw.as_picture(views, views=2)
    assert picture.shape == (2, 6)
    np.testing.assert_allclose(picture[:, :3], picture[:, 3:])  # each view has its own range
    assert draw.as_picture(np.zeros((1, 2, 2))).max() == 0
    assert draw.as_picture(np.zeros((4, 5), dtype=np.uint8)).shape == (4, 5)


# --- points and matrices ---


def test_every_point_has_the_colour_of_its_class():
    labels = np.arange(30) % 3
    points = np.stack([labels, np.arange(30.0)], axis=1)
    figure = draw.embedding(points, labels, NAMES, "t-SNE")
    (dots,) = figure.axes[0].collections
    found = {(at[0], to_hex(colour)) for at, colour in zip(dots.get_offsets(), dots.get_facecolors(), strict=True)}
    assert found == {(c, draw.COLOURS[c]) for c in range(3)}
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [f"{name} (10)" for name in NAMES]


def test_observed_runs_down_and_true_across():
    std = np.full((3, 3), 0.01)
    figure = draw.matrices(T, std, TransitionMatrix.identity(3), class_names=NAMES)
    estimate, true = panels(figure)
    np.testing.assert_array_equal(estimate.images[0].get_array(), T.columns)
    np.testing.assert_array_equal(true.images[0].get_array(), np.eye(3))
    assert (estimate.get_ylabel(), estimate.get_xlabel()) == ("observed i", "true j")
    cells = {text.get_position(): text.get_text() for text in estimate.texts}
    assert cells[(1, 0)] == "0.300\n(0.010)"  # x is the column: true 1, observed 0
    assert cells[(0, 1)] == "0.050\n(0.010)"
    assert len(panels(draw.matrices(T))) == 1


# --- curves and bars ---


def test_curves_are_means_with_a_band_where_there_are_repeats():
    values = RNG.random((5, 4))
    (axes,) = draw.accuracy_by_epoch({"forward": values, "erm": values[:1]}).axes
    forward, erm = axes.lines
    np.testing.assert_allclose(forward.get_ydata(), values.mean(axis=0))
    assert list(erm.get_xdata()) == [1, 2, 3, 4]
    assert [line.get_label() for line in axes.lines] == ["forward (n = 5)", "erm (n = 1)"]
    (band,) = axes.collections
    found = summary(values[:, 0])
    edge = band.get_paths()[0].vertices
    assert {found["low"], found["high"]} <= set(edge[edge[:, 0] == 1, 1])


def test_curves_have_circles_where_a_publication_has_numbers():
    figure = draw.accuracy_by_epoch({"erm": RNG.random((3, 4)), "gce": RNG.random((3, 4))}, printed={"erm": {2: 0.8}})
    erm, circles, gce = figure.axes[0].lines
    assert (circles.get_xdata(), circles.get_ydata(), circles.get_color()) == ([2], [0.8], erm.get_color())
    assert gce.get_color() != erm.get_color()
    assert "circles" in figure.legends[0].get_title().get_text()
    assert "circles" not in draw.accuracy_by_epoch({"erm": RNG.random((3, 4))}).legends[0].get_title().get_text()


def test_intervals_of_curves_do_not_leave_what_an_accuracy_can_be():
    (axes,) = draw.accuracy_by_epoch({"erm": np.array([[0.1, 0.99], [0.6, 0.9], [0.05, 1.0]])}).axes
    low, high = axes.get_ylim()
    assert (low, high) == (-0.01, 1.01), "a line along 1 is seen whole"
    (axes,) = draw.accuracy_by_epoch({"erm": np.array([[0.5, 0.6], [0.5, 0.6]])}).axes
    assert axes.get_ylim()[0] > 0.4, "the axis still follows the curves"


def rows():
    return [
        {"method": method, "noise": level, "summary": summary([0.8, 0.9, 0.85]), "study": 0.7 if method == "mlr" else None}
        for method in ("mlr", "rmlr", "cnn") for level in ("0.5", "0.6")
    ]  # fmt: skip


def test_bars_begin_at_zero_and_carry_interval_and_the_studys_number():
    figure = draw.bars(rows())
    (axes,) = figure.axes
    assert [bar.get_width() for bar in axes.patches] == [pytest.approx(0.85)] * 6
    assert {bar.get_x() for bar in axes.patches} == {0}
    hollow = [line for line in axes.lines if line.get_marker() == "o"]
    assert [(line.get_xdata()[0], line.get_markerfacecolor()) for line in hollow] == [(0.7, "none")] * 2
    assert len([line for line in axes.lines if line.get_marker() == "None"]) == 6
    assert axes.texts[0].get_text().startswith("0.850 ± 0.")
    assert no_overlap(figure, axes.texts)
    assert no_overlap(figure, axes.get_yticklabels())


def test_a_wide_interval_does_not_take_its_number_out_of_the_figure():
    figure = draw.bars([{"method": "cnn", "noise": "0.5", "summary": summary([0.8, 1.0])}])
    figure.draw_without_rendering()
    (axes,) = figure.axes
    (text,) = axes.texts
    assert summary([0.8, 1.0])["high"] > 1
    assert axes.get_xlim()[0] <= text.xy[0] <= axes.get_xlim()[1], "matplotlib hides what points outside of the axes"
    assert text.get_window_extent().x1 <= figure.bbox.x1


def test_levels_keep_their_order_and_colour_whichever_is_met_first():
    some = [{"method": m, "noise": n, "summary": summary([0.8])} for m, n in (("a", "0.6"), ("b", "0.6"), ("b", "0.5"))]
    figure = draw.bars(some, order=["0.5", "0.6", "elsewhere"])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["0.5", "0.6"]
    first, second, third = (bar.get_facecolor() for bar in figure.axes[0].patches)
    assert first == second != third


def test_one_repeat_has_no_interval():
    (axes,) = draw.bars([{"method": "cnn", "noise": "0.5", "summary": summary([0.8])}]).axes
    assert not axes.lines
    assert axes.texts[0].get_text() == "0.800"


# --- a run's folder ---


def test_a_run_with_a_matrix_and_suspects_draws_them(tmp_path):
    task = {"class_names": NAMES, "domain_names": ["all"], "views": 1, "predicts": "class", "natural_prior": None}
    (tmp_path / "task.json").write_text(json.dumps({**task, "monitor": "val/loss"}))
    record = {"matrix": T.columns.tolist(), "true": np.eye(3).tolist(), "source": "estimated: anchor"}
    (tmp_path / "transition.json").write_text(json.dumps(record))
    texts = {"observed": np.array(["a", "b"]), "suggested": np.array(["b", "a"])}
    np.savez(tmp_path / "suspects.npz", pictures=RNG.random((2, 1, 8, 8)), **texts)
    assert [path.name for path in draw_run(tmp_path)] == ["transition.png", "suspects.png"]
