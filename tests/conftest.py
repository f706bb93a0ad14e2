"""Shared by all tests: composing configurations, running commands, real data where they are."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig

import src  # noqa: F401  before any test imports torchvision, see src/torchvision_ops.py

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests counted (`record_property("count", ...)`), whichever process they ran in."""
    reports = [one for outcome in ("passed", "failed") for one in terminalreporter.stats.get(outcome, [])]
    counts = [text for one in reports for name, text in one.user_properties if name == "count" and one.when == "call"]
    if counts:
        terminalreporter.section("counts")
        terminalreporter.write_line("\n".join(counts))


@pytest.fixture(autouse=True)
def _quiet_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.delenv("KILTER_DATA_ROOT", raising=False)


@pytest.fixture
def compose(tmp_path: Path) -> Callable[..., DictConfig]:
    """The configuration of a command line; runs and caches go to tmp_path, one thread, no tracking, no figures."""
    import hydra

    def composed(*overrides: str) -> DictConfig:
        from src.run import lenient

        places = [f"{name}={tmp_path / name}" for name in ("runs_root", "cache_root", "data_root")]
        quiet = ["trainer.num_threads=1", "tracking.enabled=false", "trainer.progress=none", "figures=false"]
        with hydra.initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            return hydra.compose("config", [lenient(o) for o in [*places, *quiet, *overrides]])

    return composed


@pytest.fixture
def train(compose: Callable[..., DictConfig]) -> Callable[..., float]:
    """Run the experiment of a command line in this process; returns its score."""

    def trained(*overrides: str, on_epoch: Callable[[int, dict[str, float]], bool | None] | None = None) -> float:
        from src import config, experiment

        return experiment.run(config.check(compose(*overrides)), on_epoch)

    return trained


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `python -m <module> <arguments>` as a person would, from the repository's root."""

    def run(*arguments: str, timeout: float = 300, **environment: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
        return subprocess.run(
            [sys.executable, "-m", *arguments], cwd=ROOT, env=env, capture_output=True, text=True, timeout=timeout
        )

    return run


@pytest.fixture
def real_data() -> Path:
    """The folder of real data beside the checkout; the test is skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("the real data are not here")
    return SHARED
