"""How studies stand: `python -m src.status [STUDY]`, at any time and from any machine that sees the folders.

It also closes in MLflow what died without a word.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from src import runs, tracking
from src.errors import UserError
from src.studies.driver import close_orphans
from src.studies.overview import Overview, find_study


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        "python -m src.status", description="How a study stands; without a name, all of them."
    )
    parser.add_argument("study", nargs="?", help="name or folder")
    parser.add_argument("--studies-root", default="studies", type=Path)
    given = parser.parse_args([a.replace("studies_root=", "--studies-root=") for a in arguments])
    try:
        if given.study:
            folders = [find_study(given.study, given.studies_root)]
        else:
            folders = sorted(path.parent for path in given.studies_root.glob("*/manifest.json"))
        for folder in folders:
            overview = Overview(folder)
            print("\n".join(overview.lines() if given.study else overview.lines()[:1]))
            settle(overview)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    if not folders:
        print(f"no studies in {given.studies_root}")
    return 0


def settle(overview: Overview) -> None:
    """Close the MLflow runs of dead workers, if the study's own store is at hand."""
    known = overview.manifest["tracking"]
    root = Path(overview.manifest["runs_root"])
    if known["enabled"] and root.exists() and "***" not in (known["uri"] or ""):
        linked = overview.folder / "mlflow.json"
        open_still = linked.exists() and runs.read_json(linked)["status"] == "RUNNING"
        if not overview.running and (open_still or overview.interrupted):
            close_orphans(overview.folder, tracking.Tracking(**known), root)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
