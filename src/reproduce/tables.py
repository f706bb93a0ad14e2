"""Tables of a reproduced study: as Markdown, CSV and LaTeX."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from src import runs
from src.evaluation.statistics import summary
from src.report import ESCAPES

Row = dict[str, str]
"""Column → cell; all rows of a table have the same columns."""
SIGNS = str.maketrans(
    {"₀": "$_0$", "₅": "$_5$", "₆": "$_6$", "ỹ": r"$\tilde{y}$", "⁻": "$^{-}$", "¹": "$^1$", "±": r"$\pm$"}
)


def spread(values: Iterable[float]) -> str:
    """mean (standard deviation), as papers print repeats; '' for nothing."""
    values = list(values)
    if not values:
        return ""
    found = summary(values)
    return f"{found['mean']:.3f} ({found['sd']:.4f})" if found["n"] > 1 else f"{found['mean']:.3f}"


def markdown(rows: Sequence[Row]) -> str:
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def latex(rows: Sequence[Row]) -> str:
    """For a paper; needs booktabs."""
    head, *body = (
        " & ".join(cell.translate(ESCAPES | SIGNS) for cell in cells) + r" \\"
        for cells in (list(rows[0]), *(row.values() for row in rows))
    )
    begin = rf"\begin{{tabular}}{{l{'r' * (len(rows[0]) - 1)}}}"
    return "\n".join([begin, r"\toprule", head, r"\midrule", *body, r"\bottomrule", r"\end{tabular}", ""])


def write(folder: Path, name: str, rows: Sequence[Row]) -> None:
    """`name`.csv and `name`.tex."""
    import pandas as pd

    runs.write_text(folder / f"{name}.csv", pd.DataFrame(rows).to_csv(index=False))
    runs.write_text(folder / f"{name}.tex", latex(rows))
