"""A study of the digits, small enough for tests."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from tests.conftest import ROOT


class HydraHere:
    """What a study asks of Hydra, without launchers: workers run in this process."""

    launcher = "basic"

    def __init__(self) -> None:
        from hydra._internal.config_loader_impl import ConfigLoaderImpl
        from hydra._internal.utils import create_config_search_path

        self.loader = ConfigLoaderImpl(create_config_search_path(str(ROOT / "conf")))
        from hydra.core.override_parser.overrides_parser import OverridesParser

        self.parser = OverridesParser.create(config_loader=self.loader)

    def parse(self, overrides: Any) -> list[Any]:
        from hydra.errors import HydraException

        try:
            return self.parser.parse_overrides(list(overrides))
        except HydraException as error:
            raise ValueError(str(error)) from None

    def options(self, group: str) -> list[str]:
        return self.loader.get_group_options(group)

    def compose(self, overrides: Any) -> tuple[DictConfig, dict[str, str]]:
        import hydra
        from hydra.errors import HydraException

        try:
            with hydra.initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
                config = hydra.compose("config", list(overrides), return_hydra_config=True)
        except HydraException as error:
            raise ValueError(str(error)) from None
        choices = dict(config.hydra.runtime.choices)
        OmegaConf.set_struct(config, False)
        OmegaConf.set_readonly(config, False)
        del config["hydra"]
        return config, choices

    def launch(self, payload: Any, overrides: Any, workers: int) -> None:
        raise AssertionError("give a launcher")


@pytest.fixture
def composer() -> HydraHere:
    return HydraHere()


@pytest.fixture
def options() -> Callable[..., dict[str, Any]]:
    """The options of conf/hydra/sweeper/optuna.yaml, with changes."""

    def changed(**changes: Any) -> dict[str, Any]:
        found: Any = OmegaConf.to_container(OmegaConf.load(ROOT / "conf/hydra/sweeper/optuna.yaml"))
        found.pop("_target_")
        found.pop("engine")
        return {**found, **changes}

    return changed


@dataclass
class Fake:
    """Runs without training: each is a folder with a score that depends on configuration and seed only."""

    score: Callable[[dict[str, Any], int], float]
    epochs: int = 3
    calls: list[tuple[float, int]] | None = None
    """(learning rate, seed) of every training, which a finished run that is found is not."""

    def __call__(self, config: dict[str, Any], on_epoch: Any, told: Any) -> Any:
        import json

        from src import provenance, runs
        from src.studies.isolation import Ending

        root = Path(config["runs_root"])
        key = provenance.run_key(config, "data", "")
        record = {**provenance.describe(key, "fake", config["seed"], "data", ""),
                  "config_key": provenance.config_key(config), "figures": False}  # fmt: skip
        try:
            run = runs.open_run(root, "fake", key, config, record, resume=True, force=False)
        except runs.Busy as error:
            return Ending("busy", str(error))
        if run.finished:
            return Ending("finished", folder=run.folder)
        if self.calls is not None:
            self.calls.append((config["optimizer"]["lr"], config["seed"]))
        with contextlib.suppress(runs.Pruned, runs.Stopped), run:
            for epoch in range(1, self.epochs + 1):
                metrics = {"val/balanced_accuracy": self.score(config, epoch)}
                run.record_epoch(epoch, metrics)
                answer = on_epoch(run.folder, epoch, metrics)
                if answer != "go":
                    raise {"prune": runs.Pruned, "stop": runs.Stopped}[answer](f"after epoch {epoch}")
            run.write_json("metrics.json", {"score": 0.0, "cost/parameters": 10.0, **metrics})
        told(run.folder, True)
        done = json.loads((run.folder / "DONE").read_text())
        kind = {"pruned": "pruned", "killed": "stopped"}.get(done["status"], "finished")
        return Ending(kind, done["reason"], run.folder)


def quiet() -> Any:
    return contextlib.redirect_stdout(io.StringIO())
