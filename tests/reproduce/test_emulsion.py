"""The alpha-decay study's page: its pieces here, the whole command as a slow test on tiny crops."""

import csv

import numpy as np
import pytest

from src import runs
from src.datasets.inputs import ArrayInputs
from src.evaluation.improvement import Improvement
from src.evaluation.predictions import load
from src.evaluation.working_point import WorkingPoint
from src.reproduce import emulsion as study
from src.reproduce import emulsion_tables as tables
from src.reproduce.emulsion_findings import GREY_LEVELS, _histograms
from src.reproduce.page import main
from src.reproduce.sweeps import SWEEPS
from src.task import Split, Splits


def part(n, alphas, seed=0):
    rng = np.random.default_rng(seed)
    y = (np.arange(n) < alphas).astype(np.int64)
    inputs = ArrayInputs(rng.integers(0, 256, (n, 3, 6, 6), dtype=np.uint8), "unit")
    return Split(inputs, np.arange(n)[::-1].copy(), y, y, np.zeros(n, np.int64), np.ones(n), np.ones(n, dtype=bool))


def test_table_1_stands_beside_the_studys_counts():
    rows = tables.counts(Splits(part(40, 4), part(20, 2), part(1000, 5), ("other", "alpha")))
    assert [row["alpha decays"] for row in rows] == ["4", "2", "5"]
    assert rows[2]["others"] == "995"
    assert rows[2]["share"] == "0.50 %"
    assert rows[2]["study: alpha decays"] == "255"
    assert rows[2]["study: share"] == "0.54 %"


def test_histograms_are_those_of_numpy():
    split = part(7, 2)
    pictures = np.stack([split.inputs.fetch(np_rows(row), "cpu").numpy()[0] for row in split.rows])
    found = _histograms(split)
    assert found.shape == (7, GREY_LEVELS)
    for shares, picture in zip(found, pictures, strict=True):
        expected, _ = np.histogram(picture.mean(axis=0), GREY_LEVELS, (0, 1 + 1e-4))
        assert np.abs(shares * 36 - expected).sum() <= 2  # a grey level may lie on an edge


def np_rows(row):
    import torch

    return torch.tensor([row])


def test_the_factor_is_printed_with_both_errors():
    former = WorkingPoint(np.nan, 201, 2489, 255)
    models = tuple(WorkingPoint(0, 201, candidates, 255) for candidates in (350, 380))
    first, second = tables.factor(Improvement(former, models, 5.5, 8.25))
    assert first["here"] == "6.83 ± 0.62"
    assert first["95 % bootstrap"] == "5.50 to 8.25"
    assert second["here"] == "0.147"


@pytest.mark.parametrize(
    ("holds", "opposite", "says"), [(True, False, "holds"), (False, True, "the opposite"), (False, False, "not shown")]
)
def test_a_claim_is_judged_by_its_interval(holds, opposite, says):
    assert tables._verdict(holds, opposite) == says


def test_an_unknown_level_is_a_sentence(capsys):
    assert main(["level=half"], "", study.LEVELS, study.run) == 2
    assert "level=half: give full, study, quick, smoke" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["quick", "smoke"])
def test_short_trainings_are_not_ended_by_the_studys_rule(name):
    """Its mean follows the first epoch's value for tens of epochs."""
    for sweep in (study.GRID, study.SEARCH):
        assert "trainer.stop=patience" in study.changes(study.LEVELS[name])[sweep]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["study", "quick"])
def test_levels_that_take_longer_can_be_planned(name, tmp_path, command):
    level = study.LEVELS[name]
    for sweep, changes in study.changes(level).items():
        places = [f"hydra.sweeper.studies_root={tmp_path}", f"runs_root={tmp_path}", "hydra.sweeper.plan=true"]
        done = command("src.run", "--config-dir", str(SWEEPS), "-cn", sweep, *places, *changes)
        assert done.returncode == 0, done.stderr[-2000:]
        assert "configurations" in done.stdout


@pytest.mark.slow
def test_the_whole_command_from_crops_to_page(tmp_path, command):
    places = [f"{name}={tmp_path / name}" for name in ("data_root", "runs_root", "studies_root")]
    done = command("src.reproduce.emulsion", "level=smoke", *places, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    page = tmp_path / "studies_root/smoke/emulsion_page"
    text = (page / "emulsion.md").read_text()
    assert "simulated ones are used" in text
    for name in (
        "table1",
        "grid",
        "searches",
        "table2",
        "factor",
        "average_precision",
        "models",
        "calibration",
        "claims",
    ):
        assert (page / f"{name}.csv").exists()
        assert (page / f"{name}.tex").exists()
    for name in (
        "figure1_crops",
        "figure2_losses",
        "figure3_grid",
        "figure4_outputs",
        "figure5_precision_recall",
        "saliency",
    ):
        assert (page / f"figures/{name}.png").stat().st_size > 10_000
    with (page / "searches.csv").open() as file:
        trainings = {row["search"]: row["trainings"] for row in csv.DictReader(file)}
    assert trainings["grid"] == "8 of 8"

    trials = tmp_path / "studies_root/smoke/randaugment/trials"
    results = [runs.read_json(path) for path in trials.glob("*/result.json")]
    best = max(results, key=lambda result: next(iter(result["values"].values())))
    chosen = {one["run"] for one in best["seeds"].values()}
    pictures = [folder for folder in (tmp_path / "runs_root").glob("emulsion-resnet18-*") if (folder / "DONE").exists()]
    assert len(pictures) == 8, "the search has found the grid's runs"
    for folder in pictures:
        reads_test = folder.name in chosen
        assert ("test" in load(folder / "predictions.npz")) == reads_test, "the test is for the chosen pair alone"
        assert any(name.startswith("test") for name in runs.read_json(folder / "metrics.json")) == reads_test
