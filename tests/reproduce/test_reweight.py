"""Learning to reweight's page: its pieces here, the whole command as a slow test on digits."""

import json
from pathlib import Path

import numpy as np
import pytest

from src.evaluation.reweight_figures import against
from src.reproduce import reweight as study
from src.reproduce import reweight_tables as tables
from src.reproduce.sweeps import Configuration, question


@pytest.mark.parametrize(
    ("choices", "name"),
    [
        ({"strategy": "erm", "imbalance_strategy": "none"}, "plain"),
        ({"strategy": "erm", "imbalance_strategy": "class_weights"}, "class weights"),
        ({"strategy": "reweight", "imbalance_strategy": "oversample"}, "reweight, oversample"),
        ({"strategy": "erm", "trainer.select": "clean", "trainer.finetune_steps": "0"}, "plain +ES"),
        ({"strategy": "forward", "trainer.select": "clean", "trainer.finetune_steps": "100"}, "forward +ES +FT"),
    ],
)
def test_a_method_is_named_by_all_that_it_does(choices, name):
    assert tables.method(choices) == name


def configuration(folder, seeds, **choices):
    """One run a seed, with these metrics."""
    runs = {}
    for seed, metrics in seeds.items():
        run = folder / f"{len(list(folder.iterdir()))}"
        run.mkdir()
        (run / "metrics.json").write_text(json.dumps(metrics))
        line = {"epoch": 1, "time": 0, "metrics": {"train/zero_batches": 0.25}}
        (run / "history.jsonl").write_text(json.dumps(line) + "\n")
        runs[seed] = run
    return Configuration(
        {key.replace("__", "."): str(value) for key, value in choices.items()}, runs, 0.0, Path("trial")
    )


@pytest.fixture
def found(tmp_path):
    def of(strategy, counts, values):
        seeds = {str(seed): {"test/accuracy": value} for seed, value in enumerate(values)}
        return configuration(
            tmp_path, seeds, strategy=strategy, imbalance_strategy="none", dataset__class_counts=counts
        )

    return [
        of("reweight", [25, 4975], [0.9, 0.92, 0.95]), of("erm", [25, 4975], [0.8, 0.85, 0.9]),
        of("erm", [500, 4500], [0.98, 0.97, 0.99]),
    ]  # fmt: skip


def test_errors_stand_by_method_and_share_and_differences_are_paired(found):
    errors = tables.measured(found, tables.minority_share, "test/accuracy", study.error)
    assert list(errors) == ["plain", "reweight"]
    assert errors["plain"][0.005] == pytest.approx({"0": 20, "1": 15, "2": 10})
    rows = tables.against(errors, study.share)
    assert rows[0] == {"method": "plain", "0.5 %": "15.000 (5.0000)", "10 %": "2.000 (1.0000)", "n": "3"}
    assert rows[1]["10 %"] == ""
    (row,) = tables.less_plain(errors, study.share)
    half = 4.302652729911275 * np.std([10, 7, 5], ddof=1) / np.sqrt(3)  # t quantile of 2 degrees of freedom
    assert row == {
        "method": "reweight", "at": "0.5 %", "difference": "-7.3333",
        "95 % t interval": f"{-22 / 3 - half:+.4f} to {-22 / 3 + half:+.4f}", "n": "3",
    }  # fmt: skip


def test_methods_are_ranked_by_their_mean_at_one_share(found):
    errors = tables.measured(found, tables.minority_share, "test/accuracy", study.error)
    rows = tables.ranking(errors, 0.005, "error")
    assert [(row["label"], row["baseline"]) for row in rows] == [("reweight", False), ("plain", True)]
    assert rows[0]["summary"]["error"]["mean"] == pytest.approx(23 / 3)
    assert rows[1]["seeds"]["2"]["values"]["error"] == pytest.approx(10)
    assert [row["label"] for row in tables.ranking(errors, 0.1, "error")] == ["plain"]
    drawn = dict(study.drawn({study.MNIST: found}))
    assert [text.get_text() for text in drawn["mnist_rarest"].axes[0].get_yticklabels()] == ["reweight", "plain"]


def test_high_and_low_loss_are_crossed_with_imbalance_and_noise(tmp_path):
    def of(strategy, counts, rate, value):
        seeds = {"0": {"test/balanced_accuracy": value}}
        return configuration(tmp_path, seeds, strategy=strategy, dataset__class_counts=counts, noise_model__rate=rate)

    rows = tables.crossed([
        of("self_paced", [9, 9], 0.4, 0.8), of("hard_mining", [9, 1], 0.0, 0.7), of("erm", [9, 9], 0.0, 0.9),
        of("erm", [9, 1], 0.4, 0.5),
    ])  # fmt: skip
    assert [row["method"] for row in rows] == ["plain", "hard mining", "self paced"]
    assert rows[0]["neither"] == "0.900"
    assert rows[0]["both"] == "0.500"
    assert rows[1]["imbalance"] == "0.700"
    assert rows[1]["lets count more"] == "high losses"
    assert rows[2]["wrong labels"] == "0.800"


def test_where_the_weight_went_is_shown_of_weighting_strategies_only(tmp_path):
    names = ("minority", "minority_drawn", "mislabelled", "mislabelled_drawn")
    given = configuration(
        tmp_path, {"0": {f"weights/{name}": 0.5 for name in names}}, strategy="reweight", noise_model__rate=0.5
    )
    plain = configuration(tmp_path, {"0": {}}, strategy="erm", noise_model__rate=0.5)
    (row,) = tables.weights([plain, given], tables.number("noise_model.rate"), study.share)
    assert row["method"] == "reweight"
    assert row["minority: weight"] == "0.500"
    assert row["batches without weight"] == "0.250"


@pytest.mark.parametrize("name", study.PUBLISHED)
def test_what_was_published_is_of_methods_that_the_sweep_has(name):
    space = question(name)["hydra"]["sweeper"]["space"]
    late = [dict(zip(study.AFTER.split(", "), map(str, row), strict=True)) for row in space[study.AFTER]]
    methods = {tables.method({"strategy": s, **after}) for s in space["strategy"].split(",") for after in late}
    assert methods >= study.PUBLISHED[name].keys()
    rows = tables.beside(
        [{"method": "plain", "n": "5"}, {"method": "meta weight net", "n": "5"}], study.PUBLISHED[name]
    )
    assert [bool(row["published"]) for row in rows] == [True, False]


def test_cifar_is_shown_by_noise_model_beside_what_was_published(tmp_path):
    plain = {"strategy": "erm", "trainer__select": "last", "trainer__finetune_steps": 0}
    found = {
        "reweight_cifar_uniform": [
            configuration(tmp_path, {"0": {"test/accuracy": a}}, noise_model=noise, **plain)
            for noise, a in (("uniform_published", 0.7), ("uniform", 0.6))
        ],
        "reweight_cifar_background": [configuration(tmp_path, {"0": {"test/accuracy": 0.5}}, **plain)],
    }
    uniform, theirs, background = study.sections(found)
    row = {"method": "plain", "40 %": "0.600", "n": "1", "published": "0.6797 (0.0062)"}
    assert uniform[0] == "reweight_cifar_uniform_uniform"
    assert uniform[2] == [row]
    assert theirs[2] == [row | {"40 %": "0.700"}]
    assert background[2] == [row | {"40 %": "0.500", "published": "0.5954"}]


@pytest.mark.parametrize(("best", "first"), [("lowest", "good"), ("highest", "bad")])
def test_the_legend_goes_from_the_best_to_the_worst_at_the_hardest_x(best, first):
    curves = {"bad": {0.005: [9.0, 8.0], 0.1: [2.0, 2.0]}, "good": {0.005: [3.0, 4.0], 0.1: [1.0, 1.0]}}
    figure = against(curves, x="share", y="error", log=True, percent=True, best=best)
    (legend,) = figure.legends
    assert legend.get_texts()[0].get_text() == first
    assert "2 seeds" in figure.axes[0].get_ylabel()


@pytest.mark.parametrize("name", ["quick", "smoke"])
def test_reduced_levels_are_sweeps_that_can_be_planned(name, tmp_path, command):
    """Their spaces reach every condition, and their changes every configuration."""
    level = study.LEVELS[name]
    for sweep, reduced in level.sweeps.items():
        study.write_reduced(tmp_path, sweep, reduced)
        places = [f"hydra.sweeper.studies_root={tmp_path}", f"runs_root={tmp_path}", "hydra.sweeper.plan=true"]
        done = command("src.run", "--config-dir", str(tmp_path), "-cn", sweep, *places, *reduced.changes)
        assert done.returncode == 0, done.stderr[-2000:]
        assert "configurations" in done.stdout


@pytest.mark.slow
def test_the_whole_command_from_sweeps_to_page(tmp_path, command):
    places = [f"{name}={tmp_path / name}" for name in ("data_root", "runs_root", "studies_root")]
    done = command("src.reproduce.reweight", "level=smoke", *places, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    page = tmp_path / "studies_root/smoke/reweight_page"
    text = (page / "reweight.md").read_text()
    assert "## MNIST 4 against 9" in text
    assert "reweight +FT" in text
    for name in ("mnist", "mnist_differences", "mnist_weights", "noise_level"):
        assert (page / f"{name}.csv").exists()
        assert (page / f"{name}.tex").exists()
    assert (page / "figures/mnist.png").stat().st_size > 10_000
    again = command("src.reproduce.reweight", "level=smoke", *places, timeout=300)
    assert again.returncode == 0
    assert "nothing is left to do" in again.stdout or "complete" in again.stdout
