"""`hydra/sweeper: optuna`: Hydra's side of a study; the study itself is the module that `engine` names.

Everything that needs Hydra stands here: parsing of sweeps, composition of configurations, launching of workers. Hydra
imports this file at every start, so it imports nothing heavy. Without an `engine` it is Hydra's basic sweeper.
"""

from __future__ import annotations

import contextlib
import copy
import importlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, flag_override
from omegaconf.errors import OmegaConfBaseException


class OptunaSweeper(BasicSweeper):
    """Finds configurations worth training; `options` are those of conf/hydra/sweeper/optuna.yaml."""

    def __init__(self, engine: str | None = None, max_batch_size: int | None = None, **options: Any) -> None:
        super().__init__(max_batch_size=max_batch_size)
        self.engine, self.options = engine, options

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        if self.engine is None:
            super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        self.hydra_context, self.config = hydra_context, config

    def sweep(self, arguments: list[str]) -> Any:
        if self.engine is None:
            return super().sweep(arguments)
        assert self.hydra_context is not None
        assert self.config is not None
        launcher = self.config.hydra.launcher
        if not OmegaConf.is_config(launcher):
            raise SystemExit(f"hydra.launcher={launcher}: a launcher is chosen with a slash, hydra/launcher={launcher}")
        options = {key: OmegaConf.to_container(v) if OmegaConf.is_config(v) else v for key, v in self.options.items()}
        status = _engine(self.engine).sweep(options, arguments, Composer(self.hydra_context, self.config, self.engine))
        if status:
            raise SystemExit(status)
        return None


class Composer:
    """What a study asks of Hydra; may be pickled into the process of a worker."""

    def __init__(self, hydra_context: HydraContext, config: DictConfig, engine: str) -> None:
        self.hydra_context, self.config, self.engine = hydra_context, config, engine

    def parse(self, overrides: Sequence[str]) -> list[Any]:
        """Hydra's Override of each `key=value`. Raises ValueError."""
        with _sentences():
            return OverridesParser.create(config_loader=self.hydra_context.config_loader).parse_overrides(
                list(overrides)
            )

    def options(self, group: str) -> list[str]:
        """The files of a config group; empty if there is no such group."""
        return self.hydra_context.config_loader.get_group_options(group)

    def compose(self, overrides: Sequence[str]) -> tuple[DictConfig, dict[str, str]]:
        """The configuration of one job without Hydra's own part, and the option chosen of each group.

        Raises ValueError.
        """
        with _sentences():
            config = self.hydra_context.config_loader.load_sweep_config(self.config, list(overrides))
        with flag_override(config, ["struct", "readonly"], False):
            choices = dict(config.hydra.runtime.choices)
            del config["hydra"]
        OmegaConf.set_struct(config, False)
        OmegaConf.set_readonly(config, False)
        return config, choices

    def launch(self, payload: Any, overrides: Sequence[str], workers: int) -> None:
        """Run so many workers to their end through the launcher; one that dies raises what the launcher raises."""
        config = copy.deepcopy(self.config)
        with flag_override(config, ["struct", "readonly"], False):
            config.hydra.sweeper.workers = workers
            if "n_jobs" in config.hydra.launcher:  # joblib: as many at once as there are workers
                config.hydra.launcher.n_jobs = workers
        task = Work(self, payload)
        launcher = Plugins.instance().instantiate_launcher(
            hydra_context=self.hydra_context, task_function=task, config=config
        )
        for job in launcher.launch([list(overrides)] * workers, initial_job_idx=0):
            _ = job.return_value  # raises what ended the worker

    @property
    def launcher(self) -> str:
        """The chosen launcher: basic, joblib, submitit_slurm or a preset's name."""
        return str(self.config.hydra.runtime.choices["hydra/launcher"])


class Work:
    """The task function that launchers run: one worker. Launchers that requeue call it again with the same arguments."""

    def __init__(self, composer: Composer, payload: Any) -> None:
        self.composer, self.payload = composer, payload

    def __call__(self, config: DictConfig) -> None:
        from hydra.core.hydra_config import HydraConfig

        _engine(self.composer.engine).work(self.payload, self.composer, HydraConfig.get().job.num)


def _engine(name: str) -> Any:
    if not name.startswith("src."):
        _refuse(f"hydra.sweeper.engine={name}: only modules of this project (src.*) may be named here")
    return importlib.import_module(name)


def _refuse(message: str) -> NoReturn:
    print(message, file=sys.stderr)
    raise SystemExit(2)


@contextlib.contextmanager
def _sentences() -> Iterator[None]:
    """Hydra's and OmegaConf's errors as a ValueError of one sentence."""
    try:
        yield
    except OmegaConfBaseException as error:
        raise ValueError(f"{str(error).splitlines()[0]} (key '{error.full_key}')") from None
    except HydraException as error:
        lines = [line.strip() for line in f"{error}\n{error.__cause__ or ''}".splitlines()]
        raise ValueError(" ".join(line for line in lines if line and line.strip("^"))) from None
