"""Figures of small run folders: every file is there, shows something, and says what it must."""

import json
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.image import imread

from src.errors import UserError
from src.evaluation import figures, predictions
from src.evaluation.physics import CUTS, scan
from src.evaluation.plots import best_epoch, draw, read_history
from src.evaluation.style import display

NAMES = ("NC", "νe CC", "νμ CC")
ALL = ("history", "confusion", "outputs", "purity_efficiency", "roc", "precision_recall", "reliability")


@pytest.fixture
def run(tmp_path, make):
    """Writes a run folder, returns it."""

    def write(test=None, class_names=NAMES, domain_names=("all",), epochs=3, **task):
        test = make(200) if test is None else test
        predictions.save(tmp_path / "predictions.npz", val=make(20), test=test)
        known = {"class_names": class_names, "domain_names": domain_names, "natural_prior": None, "predicts": "class"}
        (tmp_path / "task.json").write_text(json.dumps({**known, "monitor": "val/balanced_accuracy", **task}))
        with (tmp_path / "history.jsonl").open("w") as file:
            for epoch in range(1, epochs + 1):
                scores = {"train/total": 1 / epoch, "val/loss": 0.5, "val/balanced_accuracy": 0.5 + 0.1 * (epoch % 3)}
                file.write(json.dumps({"epoch": epoch, "metrics": scores}) + "\n")
        return tmp_path

    return write


def assert_drawn(folder, names=ALL):
    paths = draw(folder)
    assert [path.name for path in paths] == [f"{name}.png" for name in names]
    assert sorted(path.name for path in (folder / "figures").iterdir()) == sorted(path.name for path in paths)
    for path in paths:
        image = imread(path)[..., :3]
        assert min(image.shape[:2]) > 300
        assert 0.005 < (image.min(axis=2) < 0.9).mean() < 0.9, f"{path.name} is blank"


def test_three_classes_two_domains(run, make):
    before = dict(mpl.rcParams)
    names = ("GENIE", "GiBUU, tuned / 2")
    each = [f"{name}_{domain}" for domain in ("GENIE", "GiBUU_tuned_2") for name in ("outputs", "purity_efficiency")]
    assert_drawn(run(make(300, domains=2), domain_names=names, natural_prior=[0.65, 0.03, 0.32]), (*ALL, *each))
    assert dict(mpl.rcParams) == before, "settings of matplotlib leaked"


@pytest.mark.parametrize("num_classes", [2, 11, 100])
def test_any_number_of_classes(run, make, num_classes):
    names = [f"_class $ {c} \\frac with a rather long name" for c in range(num_classes)]
    assert_drawn(run(make(400, num_classes=num_classes), class_names=names))


def test_absent_classes_and_few_events(run, make):
    test = make(40, domains=6)
    domains = [f"domain {d}" for d in range(6)]
    assert_drawn(run(test.select(test.clean != 1), domain_names=domains, natural_prior=[0.5, 0.3, 0.2], epochs=1))
    assert_drawn(run(test.select(np.array([0])), domain_names=domains))


def test_predictor_of_domains(run, make):
    test = make(100, num_classes=2, domains=2)
    test = replace(test, labels=test.domain, clean=test.domain)
    assert_drawn(run(test, domain_names=("GENIE", "GiBUU"), predicts="domain"))


def test_a_domain_s_figures_are_of_its_events(run, make, monkeypatch):
    test = make(100, domains=2)
    shown = {}

    def spy(name):
        def drawn(p, labels, weight, *rest):
            shown.setdefault(name, []).append(weight)
            return original[name](p, labels, weight, *rest)

        return drawn

    original = {name: getattr(figures, name) for name in ("outputs", "cuts")}
    for name in original:
        monkeypatch.setattr(figures, name, spy(name))
    draw(run(test, domain_names=("GENIE", "GiBUU")))
    for weights in shown.values():
        for found, expected in zip(weights, (slice(None), test.domain == 0, test.domain == 1), strict=True):
            np.testing.assert_allclose(found, test.weight[expected])


def test_where_one_of_two_domains_is_judged_there_is_nothing_to_compare(run, make):
    test = make(300, domains=2)
    assert_drawn(run(test.select(test.domain == 1), domain_names=("GENIE", "GiBUU")))


def test_what_is_not_there_is_not_drawn(run):
    folder = run(epochs=0)
    assert_drawn(folder, ALL[1:])
    for path in (folder / "figures").iterdir():
        path.unlink()
    run(epochs=2)
    (folder / "predictions.npz").unlink()
    assert_drawn(folder, ("history",))


def test_not_a_run_folder(tmp_path):
    with pytest.raises(UserError, match=r"task\.json"):
        draw(tmp_path)
    assert not list(tmp_path.iterdir())


def test_history_file(tmp_path):
    path = tmp_path / "history.jsonl"
    assert read_history(path) == ([], {})
    path.write_text('{"epoch": 1, "metrics": {"a": 1}}\n{"epoch": 2, "metrics": {"a": 3, "b": null}}\n{"epoch": 3, "me')
    epochs, curves = read_history(path)
    assert epochs == [1, 2]
    assert curves["a"] == [1.0, 3.0]
    assert np.isnan(curves["b"]).all()


def test_best_epoch_is_the_first_of_the_best():
    nan = float("nan")
    curves = {"val/accuracy": [nan, 0.5, 0.7, 0.7], "val/loss": [0.3, 0.2, nan, 0.4], "val/none": [nan] * 4}
    assert best_epoch([1, 2, 3, 4], curves, "val/accuracy") == 3
    assert best_epoch([1, 2, 3, 4], curves, "val/loss") == 2
    assert best_epoch([1, 2, 3, 4], curves, "val/none") is None
    assert best_epoch([1, 2, 3, 4], curves, "val/unknown") is None


def test_losses_left_scores_right():
    curves = {"train/total": [1.0], "val/loss": [1.0], "train/events_per_second": [9.0], "val/accuracy": [0.5],
              "val/recall.a": [0.5], "val/recall.b": [0.5], "val/ece": [0.1]}  # fmt: skip
    left, right = figures.history([1], curves, "val/recall.a", 1).axes
    assert [line.get_label() for line in left.lines[:-1]] == ["train/total", "val/loss"]
    assert [line.get_label() for line in right.lines[:-1]] == ["val/accuracy", "val/recall.a"]


def test_the_curves_are_those_of_the_metrics(make):
    s = make(300)
    axes = figures.cuts(s.probabilities, s.clean, s.weight, NAMES, (0.6, 0.1, 0.3)).axes[1]
    lines = {line.get_label(): line for line in axes.lines}
    found = scan(s.probabilities, s.clean, s.weight)
    np.testing.assert_array_equal(lines["efficiency"].get_ydata(), found.efficiency[1])
    np.testing.assert_array_equal(lines["purity"].get_ydata(), found.purity[1])
    best = int(np.nanargmax(found.product[1]))
    assert lines["best cut"].get_xydata()[0] == pytest.approx((CUTS[best], found.product[1, best]))
    assert "purity, natural mix" in lines


def test_outputs_count_every_event_once(make):
    s = make(300)
    for axes in figures.outputs(s.probabilities, s.clean, s.weight, NAMES).axes:
        assert sum(patch.get_data().values.sum() for patch in axes.patches) == pytest.approx(1)


def test_selected_classes_run_from_best_to_worst(make):
    s = make(3000, num_classes=30)
    picked = figures.select_classes(s.probabilities, s.clean, s.weight)
    recall = [s.weight[(s.clean == c) & (s.probabilities.argmax(1) == c)].sum() / s.weight[s.clean == c].sum()
              for c in range(30)]  # fmt: skip
    chosen = [recall[c] for c in picked]
    assert len(chosen) == 6
    assert chosen == sorted(recall, reverse=True)[:1] + chosen[1:-1] + [min(recall)]
    assert chosen == sorted(chosen, reverse=True)


def test_display():
    assert display("__hidden") == "hidden"
    assert display("_") == "-"
    assert display("$x") == r"\$x"
    assert len(display("x" * 100)) == 24
