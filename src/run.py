"""The entry point: `python -m src.run dataset=nova model=mobilenet strategy=dann`.

Light on purpose: `--help`, `--cfg job` and tab completion need neither torch nor MLflow, so everything heavy is
imported when a job really starts.
"""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Callable
from pathlib import Path

import hydra
from omegaconf import DictConfig

from src.errors import UserError, did_you_mean

CONF = Path(__file__).resolve().parents[1] / "conf"


def job(cfg: DictConfig, on_epoch: Callable[[int, dict[str, float]], bool | None] | None = None) -> float:
    """Run one experiment (or find it finished) and return its score. Raises UserError for a user's mistake."""
    from src import config, experiment

    return experiment.run(config.check(cfg), on_epoch)


def lenient(argument: str) -> str:
    """Let an unknown key through Hydra, so that our check names it together with all other mistakes.

    `key=value` becomes `++key=value` unless the key is a config group or Hydra's own (but for the sweeper's). `log(a,b)`, an interval on a
    logarithmic scale, is written out in Hydra's words.
    """
    argument = re.sub(r"(=.*)\blog\(([^()]*)\)", r"\1tag(log,interval(\2))", argument)
    match = re.match(r"([A-Za-z_][\w.]*)=", argument)
    hydras_own = match is not None and match[1].split(".")[0] == "hydra" and not match[1].startswith("hydra.sweeper.")
    if match is None or hydras_own or (CONF / match[1]).is_dir():
        return argument
    return f"++{argument}"


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
def hydra_main(cfg: DictConfig) -> float:
    return run_or_explain(cfg)


def run_or_explain(cfg: DictConfig) -> float:
    """The job; a user's mistake becomes its message and exit status 2."""
    from src.run import job as importable_job

    try:
        return importable_job(cfg)
    except UserError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None


def unknown_sweep(arguments: list[str]) -> str | None:
    """The complaint about `--config-dir sweeps -cn NAME` if there is no such file."""
    pairs = dict(itertools.pairwise(arguments))
    folder, name = pairs.get("--config-dir") or pairs.get("-cd"), pairs.get("--config-name") or pairs.get("-cn")
    if not folder or not name or (Path(folder) / f"{name}.yaml").exists() or (CONF / f"{name}.yaml").exists():
        return None
    return (
        f"{folder}/{name}.yaml: no such sweep{did_you_mean(name, [path.stem for path in Path(folder).glob('*.yaml')])}"
    )


def main() -> None:
    if complaint := unknown_sweep(sys.argv):
        raise SystemExit(complaint)
    if not {"-sc", "--shell-completion"} & set(sys.argv):
        sys.argv[1:] = [lenient(argument) for argument in sys.argv[1:]]
    hydra_main()


if __name__ == "__main__":
    main()
