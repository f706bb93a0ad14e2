"""What studies claim and whether it holds: `python -m src.claims [studies_root=studies] [out=<file>]`.

A study's file states claims (`hydra.sweeper.claims`): one configuration is better than another in a metric. Where a
side fits several configurations, the one with the best objective speaks for it; the metric itself chooses nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from src import runs
from src.errors import UserError
from src.evaluation.metrics import higher_is_better
from src.evaluation.statistics import holm, paired, verdict
from src.report import Findings, read
from src.studies.overview import Overview
from src.studies.space import text

USAGE = "python -m src.claims [studies_root=studies] [out=studies/claims.md]"
SAID = {"better": "holds", "worse": "does not hold", "no difference shown": "does not hold"}


@dataclass(frozen=True)
class Claim:
    """A claim and what the study says of it."""

    text: str
    says: str
    """holds | does not hold | too few seeds to claim | not yet (why)"""
    found: Mapping[str, float]
    p: float = float("nan")


def judge(folder: Path) -> list[Claim]:
    """Every claim of a study, Holm-adjusted over its claims."""
    overview = Overview(folder)
    claims = overview.manifest.get("claims", [])
    if claims and not overview.complete:
        so_far = f"{len(overview.results)} of {overview.manifest['total']} configurations have ended"
        return [Claim(claim["claim"], f"not yet ({so_far})", {}) for claim in claims]
    if not claims:
        return []
    try:
        findings = read(folder, [claim["metric"] for claim in claims])
    except UserError as error:
        return [Claim(claim["claim"], f"not yet ({error})", {}) for claim in claims]
    compared = [_compared(findings, claim) for claim in claims]
    adjusted = iter(holm([found["p"] for found in compared if isinstance(found, dict)]))
    judged = []
    for claim, found in zip(claims, compared, strict=True):
        if isinstance(found, str):
            judged.append(Claim(claim["claim"], f"not yet ({found})", {}))
            continue
        p = next(adjusted)
        says = verdict(found, p, sum(isinstance(one, dict) for one in compared))
        judged.append(Claim(claim["claim"], SAID.get(says, says), found, p))
    return judged


def _compared(findings: Findings, claim: Mapping[str, Any]) -> dict[str, float] | str:
    sides = [_speaker(findings, claim[side]) for side in ("better", "than")]
    if None in sides:
        return "a configuration has not finished"
    better, than = (findings.metrics[row["number"]][claim["metric"]] for row in sides if row)
    common = sorted(set(better) & set(than))
    if not common:
        return f"no seed of both reports {claim['metric']}"
    sign = 1 if higher_is_better(claim["metric"]) else -1
    return paired([sign * (better[seed] - than[seed]) for seed in common])


def _speaker(findings: Findings, side: Mapping[str, Any]) -> dict[str, Any] | None:
    """The configuration with these values that the objective likes best; rows are in that order."""
    root = Path(findings.overview.manifest["runs_root"])
    fits = (row for row in findings.rows if row["values"] and _has(row, side, root))
    return next(fits, None)


def _has(row: Mapping[str, Any], side: Mapping[str, Any], root: Path) -> bool:
    """Whether the configuration has these values; what did not vary is looked up in its first run."""
    fixed: Any = None
    for key, wanted in side.items():
        if key in row["params"]:
            if row["params"][key] not in (wanted, text(wanted)):
                return False
            continue
        if fixed is None:
            fixed = OmegaConf.load(root / next(iter(row["seeds"].values()))["run"] / "config.yaml")
        value = OmegaConf.select(fixed, key)
        if OmegaConf.is_dict(value):  # a group: its option is the module that holds its class
            value = str(value.get("_target_")).split(".")[-2]
        if (OmegaConf.to_container(value) if OmegaConf.is_config(value) else value) != wanted:
            return False
    return True


def page(root: Path, out: Path) -> str:
    """One table of all studies' claims, with links."""
    lines = [
        "# Claims",
        "",
        "Differences on shared seeds, oriented so that positive means better; sign-flip test, Holm within a study.",
        "",
    ]
    lines += ["| study | claim | | difference | 95 % interval | p (Holm) | n |", "|---|---|---|---|---|---|---|"]
    for manifest in sorted(root.glob("*/manifest.json")):
        folder = manifest.parent
        link = os.path.relpath(folder / "report" / "report.md", out.parent)
        oracle = " (chosen by an ORACLE)" if runs.read_json(manifest)["oracle"] else ""
        for claim in judge(folder):
            found = claim.found
            numbers = (
                [f"{found['mean']:+.4f}", f"{found['low']:+.4f} to {found['high']:+.4f}", f"{claim.p:.3g}", str(int(found["n"]))]
                if found else ["-"] * 4
            )  # fmt: skip
            lines.append(
                f"| {' | '.join([f'[{folder.name}]({link})', claim.text + oracle, f'**{claim.says}**', *numbers])} |"
            )
    return "\n".join([*lines, ""])


def main(arguments: list[str]) -> int:
    if {"-h", "--help"} & set(arguments) or any("=" not in argument for argument in arguments):
        print(USAGE)
        return 0 if {"-h", "--help"} & set(arguments) else 2
    given = dict(argument.split("=", 1) for argument in arguments)
    root = Path(given.get("studies_root", "studies"))
    out = Path(given.get("out", root / "claims.md"))
    try:
        if not root.is_dir():
            raise UserError(f"studies_root={root}: no such folder; run a study first")
        runs.write_text(out, page(root, out))
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{out.read_text()}\n{out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
