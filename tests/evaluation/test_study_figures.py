"""Figures of a study: what they show is what the rows hold, and no label lies on another."""

import subprocess
import sys
from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex

from src.evaluation import study_figures
from src.evaluation.statistics import summary
from src.evaluation.style import STYLE

METRIC = "val/balanced_accuracy"
WORDS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), unique_by=lambda word: word[0], max_size=3)


def row(number, values, status="finished", baseline=False, label=None, **params):
    label = " ".join(f"{key}={value}" for key, value in params.items()) if label is None else label
    found = {
        "number": number, "label": label, "params": params, "status": status, "baseline": baseline, "feasible": True,
        "values": {}, "summary": {}, "seeds": {},
    }  # fmt: skip
    if values:
        seeds = {str(seed): {"values": {METRIC: value}} for seed, value in enumerate(values)}
        found |= {"values": {METRIC: float(np.mean(values))}, "summary": {METRIC: summary(values)}, "seeds": seeds}
    return found


def study(n, seeds=5):
    """n configurations, best first, the last of them the baseline."""
    noise = np.random.default_rng(0).normal(0, 0.01, seeds)
    return [row(i, list(0.9 - 0.01 * i + noise), baseline=i == n - 1, lr=10.0**-i) for i in range(n)]


def boxes(figure, texts):
    figure.draw_without_rendering()
    return [text.get_window_extent() for text in texts if text.get_text()]


def at(axes, marker):
    return [line for line in axes.lines if line.get_marker() == marker]


# --- labels ---


def test_labels_drop_what_all_rows_share():
    labels = ["dataset=nova strategy.scale=0.1", "dataset=nova strategy.scale=0.3"]
    assert study_figures.short_labels([{"label": label} for label in labels]) == ["scale=0.1", "scale=0.3"]


def test_keys_that_end_alike_stay_whole():
    labels = ["model.lr=1 head.lr=2", "model.lr=2 head.lr=1"]
    found = study_figures.short_labels([{"label": label} for label in labels])
    assert found == labels


def test_the_defaults_have_a_name():
    assert study_figures.short_labels([{"label": ""}, {"label": "a=1"}]) == ["defaults", "a=1"]


@given(st.lists(WORDS, min_size=1, max_size=6))
def test_short_labels_tell_the_same_rows_apart(rows):
    labels = [" ".join(f"part.{key}={value}" for key, value in words) for words in rows]
    short = study_figures.short_labels([{"label": label} for label in labels])
    assert len(set(short)) == len(set(labels))
    assert all(len(one) <= max(len(label), len("defaults")) for one, label in zip(short, labels, strict=True))


# --- configurations ---


def test_a_configuration_shows_mean_interval_and_seeds():
    rows = study(4)
    (axes,) = study_figures.configurations(rows, METRIC, 5).axes
    found = [rows[i]["summary"][METRIC] for i in range(4)]
    assert [float(line.get_xdata()[0]) for line in at(axes, "o")] == pytest.approx([one["mean"] for one in found])
    bars = [line for line in axes.lines if line.get_marker() == "None" and line.get_linestyle() == "-"]
    assert [list(line.get_xdata()) for line in bars] == [[one["low"], one["high"]] for one in found]
    seeds = [one["values"][METRIC] for one in rows[0]["seeds"].values()]
    assert list(at(axes, ".")[0].get_xdata()) == seeds
    assert METRIC in axes.get_xlabel()
    assert "mean and 95 % interval over 5 seeds" in axes.get_xlabel()


def test_the_baseline_is_a_line_at_its_mean():
    rows = study(4)
    (axes,) = study_figures.configurations(rows, METRIC, 5).axes
    (line,) = (line for line in axes.lines if line.get_linestyle() == "--")
    assert set(line.get_xdata()) == {rows[-1]["summary"][METRIC]["mean"]}


def test_one_seed_draws_no_interval():
    (axes,) = study_figures.configurations([row(0, [0.5], lr=1), row(1, [0.4], lr=2)], METRIC, 1).axes
    assert not [line for line in axes.lines if line.get_marker() == "None"]


def test_only_the_best_are_shown():
    (axes,) = study_figures.configurations(study(40), METRIC, 5).axes
    assert len(axes.get_yticks()) == len(at(axes, "o")) == study_figures.MOST


@pytest.mark.parametrize("n", [1, 2, 30])
def test_no_label_lies_on_another_or_outside(n):
    long = "imbalance_strategy.weights_of_the_classes=[1,2,5] strategy.domain_adversary.scale={}"
    rows = [row(i, [0.9 - i / 100, 0.91 - i / 100], label=long.format(i / 10)) for i in range(n)]
    figure = study_figures.configurations(rows, METRIC, 2)
    (axes,) = figure.axes
    ticks = sorted(boxes(figure, axes.get_yticklabels()), key=lambda box: box.y0)
    assert len(ticks) == n
    assert all(above.y0 >= below.y1 for below, above in pairwise(ticks))
    assert all(box.x0 >= 0 and box.y0 >= 0 for box in [*ticks, *boxes(figure, [axes.xaxis.label])])
    assert axes.get_window_extent().width > figure.bbox.width / 4


# --- history ---


@pytest.mark.parametrize(("maximize", "best"), [(True, [0.5, 0.7, 0.7]), (False, [0.5, 0.5, 0.4])])
def test_the_best_so_far_follows_the_direction(maximize, best):
    rows = [row(2, [0.4]), row(0, [0.5]), row(1, [0.7])]
    (axes,) = study_figures.history(rows, METRIC, maximize).axes
    assert list(axes.lines[0].get_xdata()) == [0, 1, 2]
    assert list(axes.lines[1].get_ydata()) == best


def test_pruned_and_failed_are_marked_differently_below():
    rows = [row(0, [0.5]), row(1, [0.7]), row(2, [], "pruned"), row(3, [], "failed"), row(4, [], "failed")]
    (axes,) = study_figures.history(rows, METRIC, True).axes
    (pruned,), (failed,) = at(axes, "|"), at(axes, "x")
    assert (list(pruned.get_xdata()), list(failed.get_xdata())) == ([2], [3, 4])
    assert max([*pruned.get_ydata(), *failed.get_ydata()]) < 0.5
    assert {text.get_text() for text in axes.get_legend().get_texts()} >= {"pruned", "failed", "best so far"}


# --- slices, importance ---


def test_slices_have_the_axis_of_their_dimension():
    rows = [row(i, [0.5 + i / 10], lr=0.1 / (i + 1), model="ab"[i % 2], on=i > 1, wide=4**i) for i in range(4)]
    dimensions = [{"key": "lr", "log": True}, {"key": "model"}, {"key": "on"}, {"key": "wide"}, {"key": "absent"}]
    figure = study_figures.slices(rows, METRIC, dimensions)
    lr, model, on, wide, _ = (axes for axes in figure.axes if axes.get_visible())
    assert [axes.get_xscale() for axes in (lr, model, on, wide)] == ["log", "linear", "linear", "log"]
    assert list(lr.lines[0].get_xdata()) == [0.1, 0.05, 0.1 / 3, 0.025]
    assert list(model.lines[0].get_xdata()) == [0, 1, 0, 1]
    assert [text.get_text() for text in on.get_xticklabels()] == ["False", "True"]
    assert lr.get_ylabel() == METRIC
    assert sum(not axes.get_visible() for axes in figure.axes) == 1


def test_a_conditional_dimension_shows_only_where_it_exists():
    rows = [row(0, [0.5], strategy="erm"), row(1, [0.6], strategy="dann", scale=0.1)]
    (axes,) = study_figures.slices(rows, METRIC, [{"key": "scale"}]).axes
    assert list(axes.lines[0].get_xdata()) == [0.1]


def test_importance_is_a_bar_each():
    (axes,) = study_figures.importance({"optimizer.lr": 0.8, "model.width": 0.2}, METRIC).axes
    assert [bar.get_width() for bar in axes.patches] == [0.8, 0.2]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["optimizer.lr", "model.width"]
    assert METRIC in axes.get_xlabel()


# --- differences, front ---


def test_only_claims_are_full_and_coloured():
    found = {"mean": 0.1, "low": 0.05, "high": 0.15, "n": 8}
    says = ["better", "worse", "no difference shown", "too few seeds to claim"]
    rows = study(5)
    pairs = [(one, {**found, "verdict": text}) for one, text in zip(rows, says, strict=False)]
    (axes,) = study_figures.differences(pairs, METRIC, rows[-1]).axes
    dots = at(axes, "o")
    assert [line.get_fillstyle() for line in dots] == ["full", "full", "none", "none"]
    assert [to_hex(line.get_color()) for line in dots[:2]] == [study_figures.BEST, study_figures.BAD]
    zero = next(line for line in axes.lines if line.get_linestyle() == "--")
    assert set(zero.get_xdata()) == {0}
    assert "8 paired seeds" in axes.get_xlabel()


def test_the_front_is_joined_in_order():
    rows = [{"values": {"a": a, "b": b}, "feasible": True} for a, b in [(3, 1), (1, 3), (2, 2), (1, 1)]]
    (axes,) = study_figures.pareto(rows, rows[:3], ["a", "b"]).axes
    front = next(line for line in axes.lines if line.get_label() == "Pareto front")
    assert (list(front.get_xdata()), list(front.get_ydata())) == ([1, 2, 3], [3, 2, 1])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("a", "b")


def test_matplotlibs_settings_are_left_alone():
    before = {key: mpl.rcParams[key] for key in STYLE}
    study_figures.configurations(study(3), METRIC, 5)
    assert before == {key: mpl.rcParams[key] for key in STYLE}


def test_no_pyplot():
    code = "import sys, src.evaluation.study_figures; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_long_values_and_quoted_ones_stay_distinct():
    labels = [f"w=[1,2,3,4,5,6,7,8,9,10,11,12,{i}]" for i in (1, 2)]
    assert len(set(study_figures.short_labels([{"label": label} for label in labels]))) == 2
    assert study_figures.short_labels([{"label": f'd.name="a {x}" y=1'} for x in "bc"]) == ['name="a b"', 'name="a c"']


def test_what_violates_a_constraint_is_never_the_best():
    rows = [{**row(0, [0.9]), "feasible": False}, row(1, [0.5]), row(2, [0.6])]
    (axes,) = study_figures.history(rows, METRIC, True).axes
    best = next(line for line in axes.lines if line.get_label() == "best so far")
    assert list(best.get_ydata()) == [0.5, 0.6]
    (axes,) = study_figures.configurations(rows, METRIC, 1).axes
    assert [to_hex(line.get_color()) == study_figures.BEST for line in at(axes, "o")] == [False, True, False]
    (axes,) = study_figures.pareto(rows, rows[1:], [METRIC, METRIC]).axes
    assert "violates a constraint" in [text.get_text() for text in axes.get_legend().get_texts()]


# --- heat map ---


@pytest.mark.parametrize(("maximize", "place"), [(True, (1, 0)), (False, (0, 1))])
def test_a_heat_map_writes_mean_and_spread_and_frames_the_best(maximize, place):
    values = {(2, 6): [0.5, 0.7], (2, 12): [0.1, 0.3], (4, 6): [0.8, 0.9]}
    rows = [row(i, given, n=n, m=m) for i, ((n, m), given) in enumerate(values.items())]
    axes = study_figures.heat_map(rows, METRIC, ("m", "n"), maximize).axes[0]
    texts = {(round(t.get_position()[1]), round(t.get_position()[0])): t.get_text() for t in axes.texts}
    assert texts == {(0, 0): "0.600\n± 0.141", (0, 1): "0.200\n± 0.141", (1, 0): "0.850\n± 0.071", (1, 1): "–"}
    assert [t.get_text() for t in axes.get_xticklabels()] == ["6", "12"]
    (frame,) = axes.patches
    assert (round(frame.get_y() + 0.46), round(frame.get_x() + 0.48)) == place
