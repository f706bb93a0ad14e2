"""What every reproduce command does: read its few arguments, run, write a page of tables and figures, print its tables."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from src import runs
from src.errors import UserError
from src.reproduce.sweeps import Places
from src.reproduce.tables import Row, markdown, write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

L = TypeVar("L")
Section = tuple[str, str, list[Row]]
"""(file's name, title, rows) of a table; one without rows is left out."""
FULL = "full"
SPELT = {"cnn": "CNN", "mlr": "MLR", "mnist": "MNIST", "roc": "ROC", "tsne": "t-SNE", "umap": "UMAP"}
"""Names in capitals, or with some."""


def write_page(
    out: Path, name: str, title: str, note: str, sections: Iterable[Section], figures: Iterable[tuple[str, Figure]]
) -> Path:
    """out/name.md with all tables (also as CSV and LaTeX) and figures (out/figures); returns its path."""
    text = [f"# {title}", "", note, ""]
    (out / "figures").mkdir(parents=True, exist_ok=True)
    for table, heading, rows in sections:
        if rows:
            write(out, table, rows)
            text += [f"## {heading}", "", markdown(rows), ""]
    for picture, figure in figures:
        figure.savefig(out / "figures" / f"{picture}.png", dpi=150)
        text += [f"**{caption(picture)}**", "", f"![{picture}](figures/{picture}.png)", ""]
    runs.write_text(out / f"{name}.md", "\n".join(text))
    return out / f"{name}.md"


def caption(picture: str) -> str:
    """A picture's file name as words: `figure28-32_nodes` is Figures 28 to 32: nodes, `samples-mnist05` Samples, mnist05."""
    if numbered := re.fullmatch(r"figure(\d+)(?:-(\d+))?_(.+)", picture):
        first, last, rest = numbered.groups()
        text = f"Figures {first} to {last}: {rest}" if last else f"Figure {first}: {rest}"
    else:
        text = picture[0].upper() + picture[1:].replace("-", ", ")
    return re.sub(r"\w+", lambda word: SPELT.get(word[0].lower(), word[0]), text.replace("_", " "))


def main(arguments: list[str], usage: str, levels: Mapping[str, L], reproduce: Callable[[Places, L], Path]) -> int:
    """The command: exit status 2 and a sentence for a user's mistake.

    A reduced level keeps its studies in a folder of its own, so that the full one can follow.
    """
    given = dict(argument.partition("=")[::2] for argument in arguments)
    if {"-h", "--help"} & set(given):
        print(usage)
        return 0
    try:
        name = given.pop("level", FULL)
        if unknown := set(given) - {"data_root", "runs_root", "studies_root"}:
            raise UserError(f"{unknown.pop()}: unknown; give level, data_root, runs_root or studies_root")
        if name not in levels:
            raise UserError(f"level={name}: give {', '.join(levels)}")
        places = Places(**given)
        if name != FULL:
            places = replace(places, studies_root=str(Path(places.studies_root) / name))
        written = reproduce(places, levels[name])
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    print(written.read_text().split("\n**")[0])
    print(f"\npage: {written}")
    return 0
