"""A study's report: its numbers are those of the runs, its claims those that the seeds allow."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from src import report
from src.errors import UserError

LRS = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3]
SEEDS = 7


def value(lr, width, seed):
    return 0.9 - 0.05 * abs(np.log10(lr) + 2) + 0.001 * width + 0.01 * np.sin(seed + lr)


@pytest.fixture
def study(tmp_path):
    """11 configurations × 7 seeds: one pruned, one failed."""
    folder, root = tmp_path / "studies" / "made", tmp_path / "runs"
    manifest = {
        "schema": 1, "name": "made", "id": "0", "created": "2026-11-21T00:00:00", "command": "python -m src.run", "total": 11,
        "objectives": {"val/balanced_accuracy": "maximize"}, "oracle": False, "aggregate": "mean", "seeds": list(range(SEEDS)),
        "sampler": "grid", "pruner": "none", "generation": 1, "adopted": [], "runs_root": str(root),
        "machine": {"host": "h", "cpu": "a cpu", "cores": 2, "gpu": ""},
        "dimensions": [{"key": "optimizer.lr", "kind": "choice", "values": LRS, "when": None},
                       {"key": "model.width", "kind": "choice", "values": [8, 16], "when": None}],
    }  # fmt: skip
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    for number, (lr, width) in enumerate([(lr, width) for lr in LRS for width in (8, 16)][:11]):
        trial = folder / "trials" / f"{number:05d}"
        trial.mkdir(parents=True)
        label = f"optimizer.lr={lr} model.width={width}"
        described = {"number": number, "params": {"optimizer.lr": lr, "model.width": width}, "overrides": label.split(), "label": label,
                     "baseline": number == 0}  # fmt: skip
        (trial / "trial.json").write_text(json.dumps(described))
        status = {9: "pruned", 10: "failed"}.get(number, "finished")
        seeds, ok = {}, status == "finished"
        for seed in range(SEEDS):
            run = root / f"made-{number:06d}{seed:06d}"
            run.mkdir(parents=True)
            found = {"val/balanced_accuracy": value(lr, width, seed)}
            sealed = {
                "test/balanced_accuracy": value(lr, width, seed) - 0.1,
                "test/accuracy": 0.5,
                "test.det/balanced_accuracy": 0.4,
            }
            (run / "metrics.json").write_text(json.dumps({**found, **sealed}))
            seeds[str(seed)] = {
                "status": "finished",
                "run": run.name,
                "values": found,
                "epochs": 3,
                "seconds": 2.0,
                "reason": "",
            }
        values = [one["values"]["val/balanced_accuracy"] for one in seeds.values()]
        spread = {
            "mean": np.mean(values),
            "sd": np.std(values, ddof=1),
            "n": SEEDS,
            "low": min(values),
            "high": max(values),
        }
        result = {"status": status, "reason": "" if ok else f"{status} | because", "seeds": seeds if ok else {}, "feasible": True, "excess": [],
                  "values": {"val/balanced_accuracy": np.mean(values)} if ok else {},
                  "summary": {"val/balanced_accuracy": spread} if ok else {}}  # fmt: skip
        (trial / "result.json").write_text(json.dumps(result))
    return folder


def test_the_table_holds_the_runs_numbers(study):
    out = report.report(study)
    table = pd.read_csv(out / "table.csv")
    assert len(table) == 11
    done = table[table.status == "finished"]
    for _, row in done.iterrows():
        values = [value(row["param optimizer.lr"], row["param model.width"], seed) for seed in range(SEEDS)]
        assert row["val/balanced_accuracy mean"] == pytest.approx(np.mean(values))
        assert row["val/balanced_accuracy sd"] == pytest.approx(np.std(values, ddof=1))
        assert row["test/balanced_accuracy mean"] == pytest.approx(np.mean(values) - 0.1)
        assert len(row["runs"].split()) == SEEDS
    assert done["val/balanced_accuracy mean"].is_monotonic_decreasing
    assert table.chosen.sum() == 1
    assert table.loc[table.chosen, "configuration"].item() == "optimizer.lr=0.01 model.width=16"


def test_the_page_says_what_happened(study):
    text = (report.report(study) / "report.md").read_text()
    assert "Not complete" not in text
    assert "9 finished, 1 pruned, 1 failed" in text
    assert "failed: failed / because" in text
    assert "ORACLE" not in text
    assert "test.det/balanced_accuracy" in text
    assert text.index("the choice is made by these columns alone") < text.index("read after the choice")
    assert "(../../../runs/made-000000000000 " in text


def test_test_metrics_stay_sealed_until_every_configuration_has_ended(study):
    manifest = json.loads((study / "manifest.json").read_text())
    (study / "manifest.json").write_text(json.dumps({**manifest, "total": 12}))
    out = report.report(study)
    text = (out / "report.md").read_text()
    assert "**Not complete**: 11 of 12" in text
    assert "Test metrics stay sealed" in text
    for kept in (text, (out / "table.csv").read_text(), (out / "table.tex").read_text()):
        assert "test/" not in kept
    assert not (out / "figures" / "sealed.png").exists()


def test_importances_of_intervals_find_what_matters():
    """As one category a trial, both would explain the same: .53 to .66 for the one without effect."""
    rng = np.random.default_rng(0)
    rows = [
        {"params": {"optimizer.lr": 10 ** rng.uniform(-4, -1), "optimizer.weight_decay": rng.uniform(0, 1)}}
        for _ in range(30)
    ]
    for row in rows:
        row["values"] = {"val/balanced_accuracy": -abs(np.log10(row["params"]["optimizer.lr"]) + 2)}
    end = {"kind": "interval", "integer": False, "when": None}
    dimensions = [{"key": "optimizer.lr", "low": 1e-4, "high": 0.1, "log": True, **end},
                  {"key": "optimizer.weight_decay", "low": 0.0, "high": 1.0, "log": False, **end}]  # fmt: skip
    manifest = {"objectives": {"val/balanced_accuracy": "maximize"}, "dimensions": dimensions}
    findings = report.Findings(SimpleNamespace(manifest=manifest), rows, (), {})
    assert report.importances(findings)["optimizer.lr"] > 0.8


def test_comparisons_are_paired_and_adjusted(study):
    findings = report.read(study)
    found = {row["number"]: one for row, one in report.compare(findings, "val/balanced_accuracy")}
    one = found[1]
    assert one["mean"] == pytest.approx(0.008)  # the width alone; the noise of the seeds cancels
    assert one["p"] == pytest.approx(2 / 2**SEEDS)
    assert one["adjusted_p"] == pytest.approx(8 * 2 / 2**SEEDS)
    assert one["verdict"] == "too few seeds to claim"
    assert "Too few seeds to claim" in (report.report(study) / "report.md").read_text()


def test_an_oracle_is_named_in_every_table(study):
    manifest = json.loads((study / "manifest.json").read_text())
    (study / "manifest.json").write_text(json.dumps({**manifest, "oracle": True}))
    out = report.report(study)
    headings = [line for line in (out / "report.md").read_text().splitlines() if line.startswith("## ")]
    assert len(headings) == 4
    assert all("ORACLE" in line for line in headings)
    assert "ORACLE" in (out / "table.tex").read_text()
    assert pd.read_csv(out / "table.csv").oracle.all()


def test_where_the_test_split_was_left_alone_the_report_says_so(study):
    assert "test=chosen" not in (report.report(study) / "report.md").read_text()
    trial = min((study / "trials").glob("*/result.json"))
    for one in json.loads(trial.read_text())["seeds"].values():
        path = study.parents[1] / "runs" / one["run"] / "metrics.json"
        kept = {name: value for name, value in json.loads(path.read_text()).items() if not name.startswith("test")}
        path.write_text(json.dumps(kept))
    assert "its test split not read (`test=chosen`)" in (report.report(study) / "report.md").read_text()


def test_trainings_are_counted_once_each(study):
    trainings, epochs = report.read(study).spent
    assert (trainings, epochs) == (9 * SEEDS, 3 * 9 * SEEDS)
    first, second = sorted((study / "trials").glob("*/result.json"))[:2]
    second.write_text(json.dumps(json.loads(second.read_text()) | {"seeds": json.loads(first.read_text())["seeds"]}))
    assert report.read(study).spent == (8 * SEEDS, 3 * 8 * SEEDS)


def test_latex_is_escaped(study):
    text = (report.report(study) / "table.tex").read_text()
    assert r"val/balanced\_accuracy" in text
    assert r"$\pm$" in text
    assert text.count(r"\\") == 10
    assert "lcl" not in text


def test_figures_are_drawn(study):
    out = report.report(study)
    assert {path.stem for path in (out / "figures").glob("*.png")} == {
        "configurations", "sealed", "differences", "history", "slices", "heat_map", "importance",
    }  # fmt: skip


def test_importance_finds_what_matters(study):
    shares = report.importances(report.read(study))
    assert shares["optimizer.lr"] > shares["model.width"]


def test_other_metrics_by_name(study):
    out = report.report(study, extra=["test/roc_auc"])
    assert "test/roc_auc" in (out / "report.md").read_text()


def test_mistakes_are_sentences(study, capsys):
    assert report.main(["mad", f"studies_root={study.parent}"]) == 2
    assert "did you mean 'made'" in capsys.readouterr().err
    for path in study.glob("trials/*/result.json"):
        path.unlink()
    with pytest.raises(UserError, match="no configuration has finished yet"):
        report.read(study)


def test_a_printed_latex_table_says_oracle(study):
    manifest = json.loads((study / "manifest.json").read_text())
    (study / "manifest.json").write_text(json.dumps({**manifest, "oracle": True}))
    lines = (report.report(study) / "table.tex").read_text().splitlines()
    assert any("ORACLE" in line and not line.startswith("%") for line in lines)


def test_another_aggregate_stands_before_the_mean(study):
    manifest = json.loads((study / "manifest.json").read_text())
    (study / "manifest.json").write_text(json.dumps({**manifest, "aggregate": "median"}))
    path = study / "trials" / "00005" / "result.json"
    result = json.loads(path.read_text())
    path.write_text(json.dumps({**result, "values": {"val/balanced_accuracy": 0.99}}))
    text = (report.report(study) / "report.md").read_text()
    assert "| 0.9900 (0.9159 ± " in text
    assert "The median of the seeds, by which the choice is made" in text


def test_without_sealed_metrics_there_is_no_figure_of_them(study):
    for path in study.parents[1].glob("runs/*/metrics.json"):
        kept = {name: x for name, x in json.loads(path.read_text()).items() if not name.startswith("test")}
        path.write_text(json.dumps(kept))
    assert not (report.report(study) / "figures" / "sealed.png").exists()


def test_a_missing_importance_is_explained(study):
    for number in range(4, 12):
        (study / "trials" / f"{number:05d}" / "result.json").unlink(missing_ok=True)
    assert "No importances" in (report.report(study) / "report.md").read_text()


def test_an_argument_without_a_value_is_refused(study, capsys):
    assert report.main(["made", "metrics", f"studies_root={study.parent}"]) == 2
    assert "metrics: unknown" in capsys.readouterr().err
