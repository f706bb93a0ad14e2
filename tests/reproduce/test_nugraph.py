"""The tau-neutrino study's page: its pieces here on made-up runs, the whole command as a slow test on a few small events."""

import itertools
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from scipy.stats import t

from src.evaluation import predictions
from src.evaluation.metrics import metrics
from src.evaluation.predictions import Predictions
from src.reproduce import nugraph as study
from src.reproduce import nugraph_claims, nugraph_findings, nugraph_tables
from src.reproduce.nugraph_arms import LOSSES, NEWLY_DRAWN, ORIGINAL, PLAIN, REPEATED, Arm, source
from src.reproduce.nugraph_findings import Findings, confusion
from src.reproduce.sweeps import SWEEPS, Configuration

CLASSES = ("cc_nue", "cc_numu", "cc_nutau", "nc")
LOSS, OPTIONS, DEPTH = "imbalance_strategy.loss", "imbalance_strategy.loss_options", "model.encoder_depth"
SAMPLER, FACTORS = "imbalance_strategy.sampler_options", "imbalance_strategy.factors"


@pytest.fixture
def configuration(tmp_path):
    """Seeds' values of every metric of the tables, as a finished configuration."""
    numbers = itertools.count()

    def make(values, choices=None):
        runs = {}
        for seed, value in enumerate(values):
            runs[str(seed)] = tmp_path / f"run{next(numbers)}"
            runs[str(seed)].mkdir()
            measured = {f"test/{metric}": value for metric in nugraph_tables.METRICS.values()}
            (runs[str(seed)] / "metrics.json").write_text(json.dumps(measured))
        return Configuration(choices or {}, runs, float(np.mean(values)), Path("trial"))

    return make


def made_up(configuration):
    """weighted adds 0.3, depth 0.01, repeats 0.1, and 0.02 less where both weights and repeats are."""
    arms = {}
    for loss, depth, repeated in itertools.product(("recall loss", "weighted"), (1, 2), (False, True)):
        weighted = loss == "weighted"
        value = 0.2 + 0.3 * weighted + 0.01 * (depth == 2) + 0.1 * repeated - 0.02 * (weighted and repeated)
        seeds = [value + 0.05 * seed + 0.001 * seed * weighted for seed in range(3)]  # splits differ in what they allow
        arms[Arm(loss, depth, repeated)] = configuration(seeds)
    arms[Arm("focal")] = configuration([0.9, 0.9, 0.9])
    return Findings(arms, {}, {})


@pytest.mark.parametrize(("choices", "arm", "name"), [
    ({LOSS: "recall", OPTIONS: "{smoothing:0.0}", DEPTH: "1", SAMPLER: "null"}, ORIGINAL, "recall loss"),
    ({LOSS: "class_weights", OPTIONS: "null", DEPTH: "2", SAMPLER: "{factors:[1,1,7,1]}"}, Arm("weighted", 2, True), "weighted, deep, repeats"),
    ({LOSS: "focal", OPTIONS: "{gamma:0.0}"}, Arm("cross-entropy"), "cross-entropy"),
    ({LOSS: "focal", OPTIONS: "{gamma:2.0}"}, Arm("focal"), "focal"),
])  # fmt: skip
def test_an_arm_is_named_by_all_that_it_changes(choices, arm, name):
    assert Arm.of(choices) == arm
    assert arm.name == name


def test_every_configuration_of_the_sweep_is_an_arm_of_its_own():
    space = yaml.safe_load((SWEEPS / "nugraph_ablation.yaml").read_text())["hydra"]["sweeper"]["space"]
    losses = space[f"{LOSS}, {OPTIONS}"]
    assert {name for name, _ in losses} <= LOSSES.keys()
    assert [name for name, options in losses if options == {"gamma": 0.0}] == ["focal"]


def test_a_main_effect_is_the_mean_over_the_other_two_within_each_seed(configuration):
    found = made_up(configuration)
    metric = "test/recall.cc_nutau"
    np.testing.assert_allclose(found.effect("weighted loss", metric), [0.29, 0.291, 0.292])
    np.testing.assert_allclose(found.effect("deep encoder", metric), [0.01] * 3)
    np.testing.assert_allclose(found.effect("repeats", metric), [0.09] * 3)
    rows = {row["modification"]: row for row in nugraph_tables.effects(found)}
    half = t.ppf(0.975, 2) * 0.001 / np.sqrt(3)
    assert rows["weighted loss"]["tau recall"] == f"+0.291 ({0.291 - half:+.3f} to {0.291 + half:+.3f})"


def test_an_effect_needs_arms_with_and_without(configuration):
    found = Findings({ORIGINAL: configuration([0.1]), Arm("focal"): configuration([0.2])}, {}, {})
    assert found.effect("deep encoder", "test/macro_f1") == []
    assert nugraph_tables.effects(found) == []


def test_differences_to_the_original_are_paired(configuration):
    rows = {row["training"]: row for row in nugraph_tables.against_original(made_up(configuration))}
    assert "recall loss" not in rows
    assert rows["recall loss, repeats"]["tau F1"] == "+0.100 (+0.100 to +0.100)", "the seeds' own spread cancels"


def test_new_tau_events_stand_beside_repeats_and_nothing(configuration):
    tau = {
        PLAIN: configuration([0.1, 0.2]),
        REPEATED: configuration([0.3, 0.4]),
        NEWLY_DRAWN: configuration([0.5, 0.6]),
    }
    rows = [row["training on"] for row in nugraph_tables.new_tau(Findings({}, tau, {}))]
    assert rows == [
        *tau,
        f"{REPEATED}, less {PLAIN}",
        f"{NEWLY_DRAWN}, less {PLAIN}",
        f"{NEWLY_DRAWN}, less {REPEATED}",
    ]
    assert nugraph_tables.new_tau(Findings({}, {}, {})) == [], "real events: there are no new ones"


@pytest.mark.parametrize(("choices", "name"), [
    ({"dataset.extra_tau": "0", FACTORS: "null"}, PLAIN), ({"dataset.extra_tau": "0", FACTORS: "[1,1,7,1]"}, REPEATED),
    ({"dataset.extra_tau": "660"}, NEWLY_DRAWN),
])  # fmt: skip
def test_where_tau_events_come_from(choices, name):
    assert source(choices) == name


def test_what_was_found_is_in_the_order_of_the_tables(monkeypatch, configuration):
    arms = [
        ("focal", "{gamma:0.0}", "1", "null"), ("class_weights", "null", "2", "null"), ("recall", "{smoothing:0.0}", "2", "null"),
        ("recall", "{smoothing:0.0}", "1", "null"), ("class_weights", "null", "1", "null"),
    ]  # fmt: skip
    lengths = [("class_weights", 800), ("recall", 250), ("recall", 800), ("class_weights", 250)]
    read = {
        "ablation": [configuration([0.1], dict(zip((LOSS, OPTIONS, DEPTH, SAMPLER), arm, strict=True))) for arm in arms],
        "length": [configuration([0.1], {LOSS: loss, "trainer.max_steps": str(steps)}) for loss, steps in lengths],
    }  # fmt: skip
    monkeypatch.setattr(nugraph_findings, "configurations", read.get)
    found = nugraph_findings.find("ablation", "length", None)
    assert [arm.name for arm in found.arms] == [
        "recall loss",
        "recall loss, deep",
        "weighted",
        "weighted, deep",
        "cross-entropy",
    ]
    assert list(found.lengths) == [("original", 250), ("modified", 250), ("original", 800), ("modified", 800)]


def said(p, truth):
    n = len(truth)
    columns = {
        "labels": truth,
        "clean": truth,
        "domain": np.zeros(n, np.int64),
        "weight": np.ones(n),
        "rows": np.arange(n),
    }
    return Predictions(np.asarray(p, np.float32), **columns)


def test_the_average_of_seeds_is_measured_like_a_model(tmp_path):
    rng = np.random.default_rng(0)
    truth = np.arange(40) % 4
    each = [rng.dirichlet(np.ones(4), 40).astype(np.float32) for _ in range(3)]
    runs = {}
    for seed, p in enumerate(each):
        runs[str(seed)] = tmp_path / str(seed)
        runs[str(seed)].mkdir()
        predictions.save(runs[str(seed)] / "predictions.npz", test=said(p, truth))
    expected = metrics(np.mean(each, axis=0, dtype=np.float64), truth, np.ones(40), CLASSES)
    average = nugraph_findings.average(Configuration({}, runs, 0.0, Path("trial")), CLASSES)
    assert average["macro_f1"] == pytest.approx(expected["macro_f1"])
    assert average["loss"] == pytest.approx(expected["loss"], rel=1e-5)


def test_confusions_are_means_over_models_rows_true_columns_called():
    truth = np.array([0, 2, 2, 3])
    right, always_nc = np.eye(4)[truth], np.eye(4)[[3, 3, 3, 3]]
    mean = confusion([said(right, truth), said(always_nc, truth)])
    assert mean[2].tolist() == [0, 0, 1, 1]
    assert mean[3].tolist() == [0, 0, 0, 1]


def test_printed_matrices_rise_to_the_right_like_the_studys(tmp_path):
    truth = np.array([0, 1, 2, 2, 3])
    (tmp_path / "run").mkdir()
    predictions.save(tmp_path / "run" / "predictions.npz", test=said(np.eye(4)[[0, 1, 2, 3, 3]], truth))
    found = Findings({}, {}, {("original", 80): Configuration({}, {"0": tmp_path / "run"}, 0.0, Path("trial"))})
    found.__dict__["original"] = SimpleNamespace(prepared=SimpleNamespace(splits=SimpleNamespace(class_names=CLASSES)))
    rows = nugraph_tables.matrix(found, "predicted")
    assert [row["true class"] for row in rows] == ["nc", "cc_nutau", "cc_numu", "cc_nue"], (
        "the first class is at the bottom"
    )
    assert list(rows[0])[2:] == [f"called {name}" for name in CLASSES]
    assert rows[1]["called nc"] == "0.50 (1)"
    assert rows[1]["called cc_nutau"] == "1.00 (1)"
    assert rows[0]["training"] == "original, 80 of 80 epochs"
    assert nugraph_tables.matrix(found, "true")[1]["called cc_nutau"] == "0.50 (1)"


@pytest.mark.parametrize(("values", "verdict"), [
    ([0.1, 0.12, 0.11], "holds"), ([-0.1, -0.12, -0.11], "does not hold"), ([0.1, -0.1, 0.02], "not decided"), ([0.1], "not decided"),
])  # fmt: skip
def test_a_difference_is_judged_by_its_interval(values, verdict):
    claim = nugraph_claims.positive("a > b", values, "a - b")
    assert claim.verdict == verdict
    assert f"{np.mean(values):+.3f}" in claim.here
    assert f"n = {len(values)}" in claim.here


@pytest.mark.parametrize(("values", "verdict"), [
    ([0.34, 0.36, 0.35], "compatible"), ([0.1, 0.12, 0.11], "does not hold"), ([0.35], "not decided"),
])  # fmt: skip
def test_a_number_of_the_study_is_judged_by_our_interval(values, verdict):
    assert nugraph_claims.number("35 %", values, 0.35).verdict == verdict


def test_no_claim_rests_on_the_precision_of_models_that_call_nothing_tau(tmp_path):
    truth = np.array([0, 1, 2, 3])
    for name, called in (("says", [0, 2, 2, 3]), ("silent", [0, 1, 3, 3])):
        (tmp_path / name).mkdir()
        predictions.save(tmp_path / name / "predictions.npz", test=said(np.eye(4)[called], truth))
    found = Findings({}, {}, {})
    found.__dict__["original"] = SimpleNamespace(prepared=SimpleNamespace(splits=SimpleNamespace(class_names=CLASSES)))
    says, both = (
        Configuration({}, {name: tmp_path / name for name in names}, 0.0, Path("trial"))
        for names in (["says"], ["says", "silent"])
    )
    claim = nugraph_claims.positive("a > b", [0.1, 0.12, 0.11], "a - b")
    assert nugraph_claims.unless_silent(claim, [says], found) == nugraph_claims.unless_silent(claim, [], found) == claim
    judged = nugraph_claims.unless_silent(claim, [says, both], found)
    assert judged.verdict == "not decided"
    assert judged.here == f"{claim.here}; 1 of 3 models call nothing tau, which counts as 0"


def test_shorter_trainings_have_25_80ths_of_the_steps():
    for level in ("quick", "study"):
        one = study.LEVELS[level]
        changed = next(text for text in study.changes(one)[study.LENGTH] if "max_steps" in text)
        steps, shorter = map(int, changed.partition("=")[2].split(","))
        assert steps == one.steps
        assert shorter == steps * 25 // 80
    asked = yaml.safe_load((SWEEPS / "nugraph_length.yaml").read_text())["hydra"]["sweeper"]["space"][
        "trainer.max_steps"
    ]
    steps, shorter = map(int, asked.split(","))
    assert shorter * 80 == steps * 25


@pytest.mark.slow
@pytest.mark.parametrize("name", ["full", "study", "quick"])
def test_levels_that_take_longer_can_be_planned(name, tmp_path, command):
    for sweep, changes in study.changes(study.LEVELS[name]).items():
        places = [f"hydra.sweeper.studies_root={tmp_path}", f"runs_root={tmp_path}", f"cache_root={tmp_path / 'cache'}"]
        small = ["dataset.events=200", "dataset.hits=60", "hydra.sweeper.plan=true"]  # a plan needs the data
        done = command("src.run", "--config-dir", str(SWEEPS), "-cn", sweep, *places, *changes, *small)
        assert done.returncode == 0, done.stderr[-2000:]
        assert "configurations" in done.stdout


@pytest.mark.slow
def test_the_whole_command_from_events_to_page(tmp_path, command):
    places = [f"{name}={tmp_path / name}" for name in ("data_root", "runs_root", "studies_root")]
    done = command("src.reproduce.nugraph", "level=smoke", *places, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    page = tmp_path / "studies_root/smoke/nugraph_page"
    assert "simulated events are used" in (page / "nugraph.md").read_text().lower()
    for name in (
        "claims",
        "events",
        "ablation",
        "against_original",
        "effects",
        "trees",
        "new_tau",
        "lengths",
        "precision",
        "recall",
        "hits",
    ):
        assert (page / f"{name}.csv").exists(), name
        assert (page / f"{name}.tex").exists(), name
    for name in (
        "figure4_class_frequencies", "figure5_precision", "recall", "figure6_losses", "ablation", "classes_of_hits", "events",
    ):  # fmt: skip
        assert (page / f"figures/{name}.png").stat().st_size > 10_000, name
