"""Learning to reweight's page: its pieces here, the whole command as a slow test on digits."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from src import run
from src.datasets.cifar10 import CIFAR10
from src.datasets.cifar100 import CIFAR100
from src.errors import UserError
from src.evaluation.reweight_figures import against
from src.evaluation.statistics import ALPHA
from src.reproduce import reweight as study
from src.reproduce import reweight_levels as levels
from src.reproduce import reweight_tables as tables
from src.reproduce.page import main
from src.reproduce.reweight_published import PUBLISHED
from src.reproduce.sweeps import SWEEPS, Configuration, question
from src.studies import space
from tests.studies.conftest import HydraHere


@pytest.mark.parametrize(
    ("choices", "name"),
    [
        ({"strategy": "erm", "imbalance_strategy": "none"}, "plain"),
        ({"strategy": "erm", "imbalance_strategy": "class_weights"}, "class weights"),
        ({"strategy": "reweight", "imbalance_strategy": "oversample"}, "reweight, oversample"),
        ({"strategy": "erm", "trainer.select": "clean", "trainer.finetune_steps": "0"}, "plain +ES"),
        ({"strategy": "forward", "trainer.select": "clean", "trainer.finetune_steps": "100"}, "forward +ES +FT"),
        ({"strategy": "ensemble", "strategy.kind": "balanced_bagging"}, "balanced bagging ensemble"),
        ({"strategy": "bootstrap", "strategy.kind": "hard", "trainer.select": "clean"}, "hard bootstrap +ES"),
        ({"strategy": "coteaching", "strategy.stratify": "false"}, "coteaching"),
        ({"strategy": "coteaching", "strategy.stratify": "true"}, "coteaching by class"),
        ({"imbalance_strategy": "logit_adjustment", "imbalance_strategy.mode": "loss"}, "logit adjustment"),
        (
            {"imbalance_strategy": "logit_adjustment", "imbalance_strategy.mode": "post_hoc"},
            "logit adjustment post hoc",
        ),
        ({"imbalance_strategy": "ldam", "imbalance_strategy.drw_start": "null"}, "ldam"),
        ({"imbalance_strategy": "ldam", "imbalance_strategy.drw_start": "0.8"}, "ldam with late weights"),
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


def test_two_configurations_of_one_name_are_not_shown_as_one(found):
    with pytest.raises(UserError, match=r"the page would show it as 'reweight', as it shows another"):
        tables.measured([*found, found[0]], tables.minority_share, "test/accuracy")


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
    def of(strategy, counts, rate, value, **more):
        seeds = {"0": {"test/balanced_accuracy": value}}
        choices = {"strategy": strategy, "dataset__class_counts": counts, "noise_model__rate": rate, **more}
        return configuration(tmp_path, seeds, **choices)

    found = [
        of("self_paced", [9, 9], 0.4, 0.8), of("hard_mining", [9, 1], 0.0, 0.7), of("erm", [9, 9], 0.0, 0.9),
        of("erm", [9, 1], 0.4, 0.5), of("coteaching", [9, 1], 0.4, 0.6, strategy__stratify="true"),
        of("coteaching", [9, 1], 0.4, 0.3, strategy__stratify="false"),
    ]  # fmt: skip
    sections = {name: rows for name, _, rows in study.sections({study.CROSSED: found})}
    rows = sections["crossed"]
    (both, by_class) = sections["crossed_differences"]
    assert (both["method"], both["at"], both["difference"]) == ("coteaching", "both", "-0.2000")
    assert (by_class["method"], by_class["difference"]) == ("coteaching by class", "+0.1000")
    assert [row["method"] for row in rows] == [
        "plain",
        "hard mining",
        "coteaching",
        "self paced",
        "coteaching by class",
    ]
    assert rows[0]["neither"] == "0.900"
    assert rows[0]["both"] == "0.500"
    assert rows[1]["imbalance"] == "0.700"
    assert rows[1]["lets count more"] == "high losses"
    assert rows[2]["both"] == "0.300"
    assert rows[2]["lets count more"] == "low losses"
    assert rows[3]["wrong labels"] == "0.800"
    assert rows[4]["both"] == "0.600"
    assert rows[4]["lets count more"] == "low losses of each class"


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


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_was_published_is_of_methods_that_the_sweep_has(name):
    asked = question(levels.LEVELS["full"].sweeps[name].base or name)["hydra"]["sweeper"]["space"]
    late = [dict(zip(levels.AFTER.split(", "), map(str, row), strict=True)) for row in asked[levels.AFTER]]
    rows = asked.get(levels.METHODS) or [[strategy, "none"] for strategy in asked["strategy"].split(",")]
    kinds = {"bootstrap": {"strategy.kind": asked["strategy=bootstrap"]["strategy.kind"]}}
    methods = {
        tables.method({"strategy": strategy, "imbalance_strategy": balance, **kinds.get(strategy, {}), **after})
        for strategy, balance in rows
        for after in late
    }
    assert methods >= PUBLISHED[name].accuracies.keys()


def test_cifar_is_shown_by_noise_model_and_what_was_published_beside_its_own(tmp_path):
    plain = {"strategy": "erm", "trainer__select": "last", "trainer__finetune_steps": 0}
    found = {
        levels.UNIFORM: [
            configuration(tmp_path, {"0": {"test/accuracy": a}}, noise_model=noise, **plain)
            for noise, a in (("uniform_published", 0.7), ("uniform", 0.6))
        ],
        levels.BACKGROUND: [configuration(tmp_path, {"0": {"test/accuracy": 0.5}}, **plain)],
        levels.UNIFORM_100: [
            configuration(tmp_path, {"0": {"test/accuracy": 0.4}}, noise_model="uniform_published", **plain)
        ],
    }
    uniform, theirs, background, hundred = study.sections(found)
    row = {"method": "plain", "40 %": "0.600", "n": "1"}
    assert uniform[0] == "reweight_cifar_uniform_uniform"
    assert uniform[2] == [row]
    printed = "published, approximately"
    assert theirs[2] == [row | {"40 %": "0.700", printed: "0.6797 (0.0062)"}]
    assert background[2] == [row | {"40 %": "0.500", printed: "0.5954"}]
    assert hundred[1].startswith("CIFAR-100, UniformFlip")
    assert hundred[2] == [row | {"40 %": "0.400", printed: "0.5066 (0.0024)"}]


def test_cifar_needs_its_files_and_a_gpu(tmp_path):
    sweeps = levels.LEVELS["full"].sweeps
    fixed = [levels.MNIST, levels.SIZES, levels.NOISE, levels.CROSSED]
    for gpu in (False, True):
        assert [[*part] for part in levels.possible(sweeps, tmp_path, gpu=gpu)] == [fixed, []]
    (tmp_path / CIFAR10.batches).mkdir()
    ten = [levels.UNIFORM, levels.BACKGROUND]
    assert [[*part] for part in levels.possible(sweeps, tmp_path, gpu=True)] == [[*fixed, *ten], []]
    (tmp_path / CIFAR100.folder).mkdir()
    asked, left = levels.possible(sweeps, tmp_path, gpu=False)
    assert [*asked] == fixed
    assert left == [*ten, levels.UNIFORM_100, levels.BACKGROUND_100]


def test_what_is_left_out_for_want_of_a_gpu_is_said_in_one_line(tmp_path, monkeypatch, capsys):
    (tmp_path / CIFAR10.folder).mkdir()
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(study, "sweep", lambda folder, name, *changes: print("$", name))
    monkeypatch.setattr(study, "configurations", lambda folder: [])
    monkeypatch.setattr(study.Places, "study", lambda places, name: tmp_path)
    monkeypatch.setattr(study, "sections", lambda found: [])
    monkeypatch.setattr(study, "drawn", lambda found: [])
    arguments = [f"data_root={tmp_path}", f"studies_root={tmp_path / 'studies'}"]
    assert main(arguments, "", levels.LEVELS, study.run) == 0
    first, *rest = capsys.readouterr().out.splitlines()
    assert first == "left out, for want of a GPU: reweight_cifar_uniform, reweight_cifar_background"
    assert [line for line in rest if line.startswith("$")] == [
        f"$ {name}" for name in (levels.MNIST, levels.SIZES, levels.NOISE, levels.CROSSED)
    ]


def test_figures_4_and_5_in_full_have_sections_and_curves(tmp_path):
    choices = {"trainer__select": "last", "trainer__finetune_steps": 0, "dataset__clean__per_class": 3}
    for name in (levels.SIZES_CIFAR, levels.NOISE_CIFAR):
        one = configuration(tmp_path, {"0": {"test/accuracy": 0.5}}, strategy="erm", noise_model__rate=0.1, **choices)
        (rows,) = [rows for table, _, rows in study.sections({name: [one]}) if table == name]
        assert rows[0]["3 clean a class" if name == levels.SIZES_CIFAR else "10 %"] == "0.500"
        assert [*dict(study.drawn({name: [one]}))] == [name]


@pytest.mark.parametrize(("best", "first"), [("lowest", "good"), ("highest", "bad")])
def test_the_legend_goes_from_the_best_to_the_worst_at_the_hardest_x(best, first):
    curves = {"bad": {0.005: [9.0, 8.0], 0.1: [2.0, 2.0]}, "good": {0.005: [3.0, 4.0], 0.1: [1.0, 1.0]}}
    figure = against(curves, x="share", y="error", log=True, percent=True, best=best)
    (legend,) = figure.legends
    assert legend.get_texts()[0].get_text() == first
    assert "2 seeds" in figure.axes[0].get_ylabel()


OWN = [levels.MNIST, levels.SIZES, levels.NOISE, levels.CROSSED, levels.UNIFORM, levels.BACKGROUND, "imbalance_grid"]


@pytest.mark.parametrize("name", OWN)
def test_a_sweeps_header_says_how_many_configurations_and_seeds_it_needs(name):
    header = "".join(line for line in (SWEEPS / f"{name}.yaml").open() if line.startswith("#")).replace("\n# ", " ")
    sweeper = question(name)["hydra"]["sweeper"]
    assert f" {space.read(sweeper['space'], HydraHere().parse).size()} configurations × 5 seeds" in header
    if claims := sweeper.get("claims", []):
        seeds = next(n for n in range(2, 20) if 2.0 ** (1 - n) * len(claims) <= ALPHA)
        assert f" {seeds} (hydra.sweeper.seeds={seeds})" in header


SIZE = {
    ("study", levels.SIZES): 84, ("study", levels.NOISE): 72, ("study", levels.SIZES_CIFAR): 84,
    ("study", levels.NOISE_CIFAR): 72, ("full", levels.UNIFORM_100): 56, ("full", levels.BACKGROUND_100): 28,
    ("quick", levels.MNIST): 8, ("quick", levels.SIZES): 8, ("smoke", levels.MNIST): 6, ("smoke", levels.NOISE): 12,
}  # fmt: skip
"""Configurations of every sweep that a level changes."""


def planned(level, name):
    return pytest.param(level, name, marks=pytest.mark.slow if level == "full" else ())


@pytest.mark.parametrize(("level", "name"), [planned(*each) for each in SIZE])
def test_changed_sweeps_can_be_planned(level, name, tmp_path, monkeypatch, capsys):
    """Their spaces reach every condition, and their changes every configuration; by the command, in this process."""
    reduced, folder = levels.LEVELS[level].sweeps[name], SWEEPS
    if reduced.space:
        levels.write_reduced(folder := tmp_path / "sweeps", name, reduced)
    places = [f"hydra.sweeper.studies_root={tmp_path}", f"runs_root={tmp_path}", "hydra.sweeper.plan=true"]
    file = name if reduced.space else reduced.base
    monkeypatch.setattr(sys, "argv", ["run", "--config-dir", str(folder), "-cn", file, *places, *reduced.changes])
    run.main()
    assert f"\n{SIZE[level, name]} configurations × " in capsys.readouterr().out


def test_every_sweep_that_a_level_changes_is_planned():
    changed = {
        (level, name)
        for level, of in levels.LEVELS.items()
        for name, reduced in of.sweeps.items()
        if reduced != levels.Reduced(needs=reduced.needs)
    }
    assert changed == SIZE.keys()


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
