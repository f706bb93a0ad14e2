"""Studies by the very commands that a person types."""

import json

import pytest
import yaml

from src import claims
from tests.conftest import ROOT


def places(root):
    return [f"runs_root={root / 'runs'}", f"hydra.sweeper.studies_root={root / 'studies'}"]


SWEEPS = sorted((ROOT / "sweeps").glob("*.yaml"))


@pytest.mark.slow
@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_every_sweep_can_be_planned_and_names_its_study(path, command, tmp_path):
    small = (
        ["dataset.events=200", "dataset.hits=60"] if path.stem.startswith("nugraph") else []
    )  # a plan needs the data
    where = ("--config-dir", "sweeps", "-cn", path.stem)
    done = command("src.run", *where, "hydra.sweeper.plan=true", *small, *places(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "runs; 0 done already" in done.stdout
    assert not any(tmp_path.iterdir())
    text = path.read_text()
    assert text.startswith(f"# python -m src.run --config-dir sweeps -cn {path.stem}\n# ")
    assert yaml.safe_load(text)["hydra"]["sweeper"]["study"] == path.stem


@pytest.mark.slow
def test_a_study_from_plan_to_report(command, tmp_path):
    question = [
        "-m",
        "dataset=digits",
        "model=mlr,lenet",
        "optimizer=adam",
        "schedule=onecycle",
        "trainer.epochs=2",
        "seed=0,1",
        "hydra.sweeper.study=s",
    ]
    done = command("src.run", *question, *places(tmp_path), "hydra/launcher=joblib", "hydra.sweeper.workers=2")
    assert done.returncode == 0, done.stderr
    assert "2 configurations × 2 seeds = 4 runs" in done.stdout
    assert "chosen: trial 1" in done.stdout
    chosen = json.loads((tmp_path / "studies/s/trials/00001/result.json").read_text())
    for one in chosen["seeds"].values():
        assert len(list((tmp_path / "runs" / one["run"] / "figures").glob("*.png"))) >= 5, "winners get figures"
    plain = json.loads((tmp_path / "studies/s/trials/00000/result.json").read_text())["seeds"]["0"]["run"]
    assert not (tmp_path / "runs" / plain / "figures").exists()
    status = command("src.status", "s", f"studies_root={tmp_path / 'studies'}")
    assert "s: complete, 2 of 2 configurations" in status.stdout
    assert command("src.status", f"studies_root={tmp_path / 'studies'}").stdout.count("\n") == 1
    found = command("src.report", "s", f"studies_root={tmp_path / 'studies'}")
    assert found.returncode == 0, found.stderr
    assert "**chosen**" in found.stdout
    again = command("src.run", *question, *places(tmp_path))
    assert again.returncode == 0
    assert "complete, 2 of 2" in again.stdout
    more = command("src.run", *question, *places(tmp_path), "hydra.sweeper.study=t", "hydra.sweeper.plan=true")
    assert "4 runs; 4 done already" in more.stdout


def test_mlflow_shows_study_configurations_and_seeds(command, tmp_path):
    from tests.studies.test_deaths import mlflow_runs

    question = [
        "-m",
        "dataset=digits",
        "model=mlr",
        "optimizer=adam",
        "schedule=onecycle",
        "optimizer.lr=0.01,0.1",
        "trainer.epochs=2",
        "seed=0,1",
        "hydra.sweeper.study=s",
    ]
    assert command("src.run", *question, *places(tmp_path), "hydra.sweeper.winners=0").returncode == 0
    assert set(mlflow_runs(tmp_path / "runs").values()) == {"FINISHED"}
    from src import tracking

    client, experiment = tracking._open(f"sqlite:///{tmp_path / 'runs' / 'mlflow.db'}", "kilter", tmp_path / "runs")
    known = {run.info.run_id: run for run in client.search_runs([experiment])}
    parent = {key: run.data.tags.get("mlflow.parentRunId") for key, run in known.items()}
    (study,) = [key for key, above in parent.items() if above is None]
    configurations = [key for key, above in parent.items() if above == study]
    assert [len([k for k, above in parent.items() if above == one]) for one in configurations] == [2, 2]
    one = known[configurations[0]]
    result = json.loads(
        (tmp_path / "studies/s/trials" / f"{int('0.1' in one.info.run_name):05d}" / "result.json").read_text()
    )
    expected = result["summary"]["val/balanced_accuracy"]
    logged = {name: one.data.metrics[f"val/balanced_accuracy/{name}"] for name in ("mean", "sd", "ci_low", "ci_high")}
    assert logged == pytest.approx(
        {"mean": expected["mean"], "sd": expected["sd"], "ci_low": expected["low"], "ci_high": expected["high"]}
    )
    assert one.data.metrics["n_seeds"] == 2
    seed_run = next(key for key, above in parent.items() if above == configurations[0])
    steps = [point.step for point in client.get_metric_history(seed_run, "val/balanced_accuracy")]
    assert steps == [1, 2]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["-cn", "dan_scale"], "dann_scale"),
        (["-cn", "dann_scale", "strategy.scal=1"], "has no option 'scal'"),
        (["-cn", "dann_scale", "hydra.sweeper.objectives={val/auc: maximize}"], "runs do not report it"),
        (["-cn", "dann_scale", "hydra.sweeper.budget.trial=1"], "did you mean 'trials'"),
        (["-cn", "dann_scale", "hydra.launcher=basic"], "a launcher is chosen with a slash, hydra/launcher=basic"),
    ],
)
def test_mistakes_have_no_traceback(command, tmp_path, arguments, sentence):
    done = command("src.run", "--config-dir", "sweeps", *arguments, *places(tmp_path))
    assert done.returncode != 0
    assert sentence in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not (tmp_path / "studies").exists()


def test_an_unknown_study_is_a_sentence(command, tmp_path):
    (tmp_path / "dann_scale").mkdir()
    (tmp_path / "dann_scale" / "manifest.json").write_text("{}")
    for module in ("src.status", "src.report"):
        done = command(module, "dan_scale", f"studies_root={tmp_path}")
        assert done.returncode == 2
        assert "did you mean 'dann_scale'" in done.stderr


def test_claims_are_judged_from_the_runs(tmp_path, monkeypatch):
    from tests.test_report import SEEDS, value

    made = {
        "claim": "wide is better",
        "metric": "test/balanced_accuracy",
        "better": {"model.width": 16},
        "than": {"model.width": 8},
    }
    other = {**made, "claim": "narrow is better", "better": {"model.width": 8}, "than": {"model.width": 16}}
    from tests import test_report

    folder = test_report.study.__wrapped__(tmp_path) if hasattr(test_report.study, "__wrapped__") else None
    assert folder is not None
    manifest = json.loads((folder / "manifest.json").read_text())
    absent = {**made, "claim": "absent", "better": {"model.width": 32}}
    (folder / "manifest.json").write_text(json.dumps({**manifest, "claims": [made, other, absent]}))
    holds, not_so, unknown = claims.judge(folder)
    assert (holds.says, not_so.says) == ("holds", "does not hold")
    assert unknown.says.startswith("not yet")
    gain = value(0.01, 16, 0) - value(0.01, 8, 0)
    assert holds.found["mean"] == pytest.approx(gain)
    assert holds.found["n"] == SEEDS
    (folder / "manifest.json").write_text(json.dumps({**manifest, "claims": [made], "total": 12}))
    assert claims.judge(folder)[0].says == "not yet (11 of 12 configurations have ended)"


def test_claims_find_what_is_fixed_and_lists(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.yaml").write_text("strategy: {_target_: src.strategies.erm.ERM}\ntrainer: {epochs: 5}\n")
    row = {"params": {"imbalance_strategy.weights": "[1,2,4]"}, "seeds": {"0": {"run": "run"}}}
    fits = {"strategy": "erm", "imbalance_strategy.weights": [1, 2, 4], "trainer.epochs": 5}
    assert claims._has(row, fits, tmp_path)
    for key, other in (("strategy", "dann"), ("imbalance_strategy.weights", [1, 2, 5]), ("trainer.epochs", 6)):
        assert not claims._has(row, {**fits, key: other}, tmp_path)


def test_claims_have_a_page(tmp_path):
    from tests import test_report

    folder = test_report.study.__wrapped__(tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text())
    made = {
        "claim": "wide is better",
        "metric": "test/balanced_accuracy",
        "better": {"model.width": 16},
        "than": {"model.width": 8},
    }
    (folder / "manifest.json").write_text(json.dumps({**manifest, "claims": [made]}))
    text = claims.page(folder.parent, folder.parent / "claims.md")
    assert "| [made](made/report/report.md) | wide is better | **holds** |" in text
