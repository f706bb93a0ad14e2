"""A study's tables and figures: `python -m src.report STUDY [metrics=test/roc_auc,...] [out=<folder>]`.

Reads the study's folder and its runs; writes report.md, table.csv, table.tex and figures/. The choice is made by the
objective, on validation data; test metrics are read after it.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src import runs
from src.errors import UserError
from src.evaluation.metrics import higher_is_better
from src.evaluation.statistics import holm, paired, summary, verdict
from src.studies.overview import Overview, find_study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

USAGE = """python -m src.report STUDY [metrics=test/roc_auc,...] [out=<folder>] [studies_root=studies]
  metrics=...    sealed metrics to show besides test/balanced_accuracy and test/accuracy
  out=...        where to write; default: report/ in the study's folder"""
RUNS = "runs (by seed)"
SEALED = ("test/balanced_accuracy", "test/accuracy")
CELLS = 12  # values of one side of a heat map, at most


@dataclass(frozen=True)
class Findings:
    """A study, read: its configurations in order of the objective, and what their runs measured."""

    overview: Overview
    rows: list[dict[str, Any]]
    """One configuration each, best first; those without a value last."""
    sealed: tuple[str, ...]
    """Metrics that no choice may see; none before the study is complete."""
    metrics: dict[int, dict[str, dict[str, float]]]
    """Trial number → metric → seed → value."""

    @property
    def objective(self) -> str:
        return str(next(iter(self.overview.manifest["objectives"])))

    @property
    def chosen(self) -> list[int]:
        return [trial["number"] for trial, _ in self.overview.best()]

    @property
    def baseline(self) -> dict[str, Any] | None:
        return next((row for row in self.rows if row["baseline"] and row["values"]), None)

    @property
    def spent(self) -> tuple[int, int]:
        """(trainings, their epochs) that the study needed: each run once, given up or found finished or not."""
        epochs = {one["run"]: one["epochs"] for row in self.rows for one in row["seeds"].values() if one["run"]}
        return len(epochs), sum(epochs.values())

    @property
    def note(self) -> str:
        return " — chosen by an ORACLE (test or target-labelled metrics)" if self.overview.manifest["oracle"] else ""


def read(folder: Path, extra: Sequence[str] = ()) -> Findings:
    """Raises UserError if no configuration has finished."""
    overview = Overview(folder)
    objective, direction = next(iter(overview.manifest["objectives"].items()))
    rows = [{**trial, **result} for trial, result in overview.results]
    if not any(row["values"] for row in rows):
        raise UserError(f"{folder}: no configuration has finished yet; python -m src.status {folder} shows why")
    sign = -1 if direction == "maximize" else 1
    rows.sort(key=lambda row: sign * row["values"][objective] if row["values"] else math.inf)
    root = Path(overview.manifest["runs_root"])
    sealed = tuple(dict.fromkeys([*SEALED, *_by_domain(rows, root), *extra])) if overview.complete else ()
    names = [*overview.manifest["objectives"], *sealed]
    measured = {row["number"]: _measured(row, root, names) for row in rows if row["values"]}
    return Findings(overview, rows, sealed, measured)


def _by_domain(rows: Sequence[dict[str, Any]], root: Path) -> list[str]:
    """Balanced accuracy of each domain's test events, where there are several."""
    run = next(one["run"] for row in rows if row["values"] for one in row["seeds"].values())
    path = root / run / "metrics.json"
    names = runs.read_json(path) if path.exists() else {}
    return [name for name in names if name.startswith("test.") and name.endswith("/balanced_accuracy")]


def _measured(row: dict[str, Any], root: Path, names: Sequence[str]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {name: {} for name in names}
    for seed, one in row["seeds"].items():
        path = root / one["run"] / "metrics.json"
        metrics = runs.read_json(path) if path.exists() else one["values"]
        for name in names:
            if name in metrics and math.isfinite(metrics[name]):
                found[name][seed] = float(metrics[name])
    return found


def compare(findings: Findings, metric: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Every finished configuration against the baseline on the seeds they share, Holm-adjusted; best first."""
    base = findings.baseline
    if base is None:
        return []
    reference = findings.metrics[base["number"]][metric]
    sign = 1 if higher_is_better(metric) else -1
    found = []
    for row in findings.rows:
        if row["values"] and row is not base:
            mine = findings.metrics[row["number"]][metric]
            common = sorted(set(mine) & set(reference))
            if common:
                found.append((row, paired([mine[seed] - reference[seed] for seed in common])))
    adjusted = holm([one["p"] for _, one in found])
    judged = []
    for (row, one), p in zip(found, adjusted, strict=True):
        says = verdict({**one, "mean": sign * one["mean"]}, p, len(found))
        judged.append((row, {**one, "adjusted_p": p, "verdict": says}))
    return judged


# --- tables ---


def spread(values: Sequence[float]) -> str:
    """mean ± half-width of the 95 % interval; '-' for nothing."""
    if not values:
        return "-"
    found = summary(values)
    return f"{found['mean']:.4f}" + (f" ± {(found['high'] - found['low']) / 2:.4f}" if found["n"] > 1 else "")


def table(findings: Findings) -> list[dict[str, Any]]:
    """One record a configuration, for the CSV file."""
    records = []
    for row in findings.rows:
        record = {"trial": row["number"], "configuration": row["label"] or "defaults", "status": row["status"]}
        record |= {f"param {key}": value for key, value in row["params"].items()}
        record |= {"baseline": row["baseline"], "chosen": row["number"] in findings.chosen, "feasible": row["feasible"]}
        for name, values in findings.metrics.get(row["number"], {}).items():
            if values:
                record |= {f"{name} {key}": value for key, value in summary(list(values.values())).items()}
        record |= {"oracle": findings.overview.manifest["oracle"], "reason": row["reason"]}
        record["runs"] = " ".join(one["run"] for one in row["seeds"].values() if one["run"])
        records.append(record)
    return records


def _marks(findings: Findings, row: dict[str, Any]) -> str:
    marks = ["**chosen**"] if row["number"] in findings.chosen else []
    marks += ["baseline"] if row["baseline"] else []
    marks += [] if row["feasible"] else ["violates a constraint"]
    return ", ".join([*marks, *([] if row["status"] == "finished" else [f"{row['status']}: {_line(row['reason'])}"])])


def _line(text: str) -> str:
    return text.replace("\n", " ").replace("|", "/")[:120]


def _runs_of(findings: Findings, row: dict[str, Any], out: Path) -> str:
    root = Path(findings.overview.manifest["runs_root"])
    links = [
        f"[{seed}]({os.path.relpath(root / one['run'], out)} \"{one['run']}\")"
        for seed, one in row["seeds"].items() if one["run"]
    ]  # fmt: skip
    return " ".join(links)


def _markdown(header: Sequence[str], lines: Iterator[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}", *(f"| {' | '.join(line)} |" for line in lines), ""]


def markdown(findings: Findings, out: Path, figures: Sequence[str]) -> str:
    """The report as Markdown, its links relative to `out`."""
    overview, manifest = findings.overview, findings.overview.manifest
    n = len(manifest["seeds"])
    counts = ", ".join(f"{overview.count(status)} {status}" for status in ("finished", "pruned", "failed"))
    machine = manifest["machine"]
    text = [
        f"# {manifest['name']}", "",
        f"`{manifest['command']}`", "",
        f"{manifest['total']} configurations × {n} seeds; {counts}; sampler {manifest['sampler']}, pruner {manifest['pruner']}. "
        f"Begun {manifest['created'][:10]} on {machine['cpu'] or 'an unnamed processor'}, {machine['cores']} cores"
        f"{', ' + machine['gpu'] if machine['gpu'] else ''}.", "",
    ]  # fmt: skip
    trainings, epochs = findings.spent
    text += [f"Trainings: {trainings} of {manifest['total'] * n} ({epochs} epochs).", ""]
    if not overview.complete:
        text += [f"**Not complete**: {len(overview.results)} of {manifest['total']} configurations have ended.", ""]
    if manifest["adopted"]:
        text += [
            f"The question was changed {len(manifest['adopted'])} times; this is generation {manifest['generation']}.",
            "",
        ]
    objectives = list(manifest["objectives"])
    how = f"{manifest['aggregate']} of the seeds"
    text += [f"## Configurations by {', '.join(objectives)} ({how}){findings.note}", ""]
    first = "" if manifest["aggregate"] == "mean" else f"The {how}, by which the choice is made; in brackets: "
    text += [
        f"{first}Mean ± half-width of the 95 % t interval over seeds; the choice is made by these columns alone.",
        "",
    ]
    header = ["#", "configuration", *objectives, "sd", "n", "", RUNS]
    text += _markdown(header, (_configuration(findings, row, out) for row in findings.rows))
    text += _sealed_table(findings, out)
    for metric in (findings.objective, *findings.sealed[:1]):
        text += _comparison(findings, metric, out)
    if "importance" not in figures:
        text += [
            "No importances: they need eight finished configurations and two things that varied in all of them.",
            "",
        ]
    text += [line for name in figures for line in (f"![{name}](figures/{name}.png)", "")]
    return "\n".join(text)


def _configuration(findings: Findings, row: dict[str, Any], out: Path) -> list[str]:
    found = findings.metrics.get(row["number"], {})
    objectives = [_objective(findings, row, name) for name in findings.overview.manifest["objectives"]]
    values = list(found.get(findings.objective, {}).values())
    sd = f"{summary(values)['sd']:.4f}" if len(values) > 1 else "-"
    label = f"`{row['label'] or 'defaults'}`"
    return [
        str(row["number"]),
        label,
        *objectives,
        sd,
        str(len(values)),
        _marks(findings, row),
        _runs_of(findings, row, out),
    ]


def _objective(findings: Findings, row: dict[str, Any], name: str) -> str:
    """mean ± half-width, after the aggregate if that is another."""
    shown = spread(list(findings.metrics.get(row["number"], {}).get(name, {}).values()))
    if findings.overview.manifest["aggregate"] == "mean" or name not in row["values"]:
        return shown
    return f"{row['values'][name]:.4f} ({shown})"


def _sealed_table(findings: Findings, out: Path) -> list[str]:
    if not findings.sealed:
        return ["Test metrics stay sealed until every configuration has ended.", ""]
    text = [f"## Sealed metrics, read after the choice{findings.note}", ""]
    text += ["Labels that were never used to choose. Mean ± half-width of the 95 % t interval over seeds.", ""]
    if any(row["values"] and not findings.metrics[row["number"]][findings.sealed[0]] for row in findings.rows):
        text += [
            "Where there is no number, the configuration was not chosen and its test split not read (`test=chosen`).",
            "",
        ]
    lines = (
        [
            str(row["number"]), f"`{row['label'] or 'defaults'}`",
            *(spread(list(findings.metrics[row["number"]][name].values())) for name in findings.sealed),
            str(len(findings.metrics[row["number"]][findings.sealed[0]])), _marks(findings, row), _runs_of(findings, row, out),
        ]
        for row in findings.rows if row["values"]
    )  # fmt: skip
    return text + _markdown(["#", "configuration", *findings.sealed, "n", "", RUNS], lines)


def _comparison(findings: Findings, metric: str, out: Path) -> list[str]:
    found = compare(findings, metric)
    if not found:
        return []
    base = findings.baseline or {}
    name = base.get("label") or "defaults"
    text = [f"## Against the baseline `{name}`: {metric}{findings.note}", ""]
    text += [
        "Differences on shared seeds: 95 % BCa bootstrap interval (too narrow below about ten seeds), sign-flip test, Holm "
        "over the comparisons; the verdict is the test's.",
        "",
    ]
    if all(one["verdict"] == "too few seeds to claim" for _, one in found):
        n, m = int(found[0][1]["n"]), len(found)
        need = next(k for k in range(1, 60) if 2.0 ** (1 - k) * m <= 0.05)
        text += [
            f"**Too few seeds to claim**: with {n} seeds and {m} comparisons no result could be significant; {need} seeds could.",
            "",
        ]
    lines = (
        [
            str(row["number"]), f"`{row['label'] or 'defaults'}`", f"{one['mean']:+.4f}",
            f"{one['low']:+.4f} to {one['high']:+.4f}" if one["n"] > 1 else "-", f"{one['p']:.3g}", f"{one['adjusted_p']:.3g}",
            str(int(one["n"])), one["verdict"], _runs_of(findings, row, out),
        ]
        for row, one in found
    )  # fmt: skip
    return text + _markdown(["#", "configuration", "difference", "95 % interval", "p", "Holm", "n", "", RUNS], lines)


ESCAPES = str.maketrans(
    {c: rf"\{c}" for c in "&%$#_{}"}
    | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}
)


def latex(findings: Findings) -> str:
    """The table of configurations for a paper (needs booktabs)."""
    names = [*findings.overview.manifest["objectives"], *findings.sealed]
    escape = lambda text: text.translate(ESCAPES)  # noqa: E731
    n = len(findings.overview.manifest["seeds"])
    lines = [
        rf"% {findings.overview.manifest['name']}{findings.note}; mean and half-width of the 95\,% t interval over {n} seeds",
        rf"\begin{{tabular}}{{l{'r' * len(names)}r}}", r"\toprule",
        " & ".join(["configuration", *map(escape, names), "n"]) + r" \\", r"\midrule",
    ]  # fmt: skip
    for row in findings.rows:
        if row["values"]:
            found = findings.metrics[row["number"]]
            cells = [spread(list(found[name].values())).replace("±", r"$\pm$") for name in names]
            label = escape(row["label"] or "defaults") + (r" $\star$" if row["number"] in findings.chosen else "")
            lines.append(" & ".join([label, *cells, str(len(found[findings.objective]))]) + r" \\")
            lines.append("  % runs: " + " ".join(one["run"] for one in row["seeds"].values() if one["run"]))
    lines.append(r"\bottomrule")
    if findings.note:
        lines.append(rf"\multicolumn{{{len(names) + 2}}}{{l}}{{{escape(findings.note.removeprefix(' — '))}}} \\")
    return "\n".join([*lines, r"\end{tabular}", ""])


# --- figures ---


def figures(findings: Findings) -> Iterator[tuple[str, Figure]]:
    """(name, figure) of everything that the study allows to draw."""
    from src.evaluation import study_figures as draw

    manifest, metric = findings.overview.manifest, findings.objective
    done = [row for row in findings.rows if row["values"]]
    n = len(manifest["seeds"])
    yield "configurations", draw.configurations(done, metric, n)
    sealed = _with_sealed(findings, done) if findings.sealed else []
    if sealed:
        yield "sealed", draw.configurations(sealed, findings.sealed[0], n)
    found = compare(findings, metric)
    if found:
        yield "differences", draw.differences(found, metric, findings.baseline or {})
    yield "history", draw.history(findings.rows, metric, manifest["objectives"][metric] == "maximize")
    varied = [d for d in manifest["dimensions"] if len({str(row["params"].get(d["key"])) for row in done}) > 1]
    if varied:
        yield "slices", draw.slices(done, metric, varied)
    if pair := _grid(varied, done):
        yield "heat_map", draw.heat_map(done, metric, pair, manifest["objectives"][metric] == "maximize")
    shares = importances(findings)
    if shares:
        yield "importance", draw.importance(shares, metric)
    if len(manifest["objectives"]) > 1:
        front = [row for row in done if row["number"] in findings.chosen]
        yield "pareto", draw.pareto(done, front, list(manifest["objectives"]))


def _grid(varied: Sequence[dict[str, Any]], done: Sequence[dict[str, Any]]) -> tuple[str, str] | None:
    """The two things that varied, if there are just two, each with a few values, and every configuration has both."""
    keys = [d["key"] for d in varied if d["kind"] != "interval"]
    if len(varied) != 2 or len(keys) != 2:
        return None
    for key in keys:
        found = [row["params"].get(key) for row in done]
        if not all(isinstance(value, (int, float, str)) for value in found) or not 2 <= len(set(found)) <= CELLS:
            return None
    return keys[0], keys[1]


def _with_sealed(findings: Findings, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    name = findings.sealed[0]
    found = []
    for row in rows:
        values = findings.metrics[row["number"]][name]
        if values:
            seeds = {seed: {"values": {name: value}} for seed, value in values.items()}
            found.append({**row, "summary": {name: summary(list(values.values()))}, "seeds": seeds})
    return found


def importances(findings: Findings) -> dict[str, float]:
    """Optuna's fANOVA (Hutter 2014) over the dimensions that every configuration has; empty if there is too little to say."""
    import warnings

    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    manifest, metric = findings.overview.manifest, findings.objective
    done = [row for row in findings.rows if row["values"]]
    common = [d["key"] for d in manifest["dimensions"] if all(d["key"] in row["params"] for row in done)]
    varied = [key for key in common if len({str(row["params"][key]) for row in done}) > 1]
    if len(done) < 8 or len(varied) < 2:
        return {}
    study = optuna.create_study(direction=manifest["objectives"][metric])
    distributions: Any = {d["key"]: _distribution(d) for d in manifest["dimensions"] if d["key"] in varied}
    for row in done:
        params = {key: row["params"][key] for key in varied}
        value = row["values"][metric]
        study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=value))
    with warnings.catch_warnings(action="ignore"):
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
        return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))


def _distribution(described: dict[str, Any]) -> Any:
    """A dimension of the manifest as Optuna's; a range by its ends, since only the order of its values matters."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if described["kind"] == "choice":
        return CategoricalDistribution(described["values"])
    ends = described["values"] if described["kind"] == "range" else (described["low"], described["high"])
    low, high, log = min(ends), max(ends), bool(described.get("log"))
    if all(isinstance(end, int) for end in ends) or described.get("integer"):
        return IntDistribution(int(low), int(high), log=log)
    return FloatDistribution(low, high, log=log)


# --- the command ---


def report(folder: Path, out: Path | None = None, extra: Sequence[str] = ()) -> Path:
    """Write a study's report; returns its folder. Raises UserError if nothing has finished or nothing can be written."""
    import pandas as pd

    findings = read(folder, extra)
    out = out or folder / "report"
    try:
        (out / "figures").mkdir(parents=True, exist_ok=True)
        names = []
        for name, figure in figures(findings):
            figure.savefig(out / "figures" / f"{name}.png", dpi=150)
            names.append(name)
        runs.write_text(out / "report.md", markdown(findings, out, names))
        runs.write_text(out / "table.csv", pd.DataFrame(table(findings)).to_csv(index=False))
        runs.write_text(out / "table.tex", latex(findings))
    except OSError as error:
        raise UserError(f"out={out}: cannot write ({error})") from None
    return out


def main(arguments: list[str]) -> int:
    if not arguments or {"-h", "--help"} & set(arguments):
        print(USAGE)
        return 0
    try:
        given = dict(argument.split("=", 1) for argument in arguments[1:] if "=" in argument)
        known = {"metrics", "out", "studies_root"}
        unknown = [a for a in arguments[1:] if "=" not in a or a.split("=")[0] not in known]
        if unknown:
            raise UserError(f"{unknown[0]}: unknown\n{USAGE}")
        folder = find_study(arguments[0], Path(given.get("studies_root", "studies")))
        extra = [name for name in given.get("metrics", "").split(",") if name]
        out = report(folder, Path(given["out"]) if "out" in given else None, extra)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    print((out / "report.md").read_text().split("\n![")[0])
    print(f"\nreport: {out / 'report.md'}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
