"""Before a study runs: every combination checked, what is done already, and how long the rest should take.

A configuration is composed once per distinct choice of groups; scalars are then put in place and each part is
constructed once per distinct set of its options, so that ten thousand points take seconds.
"""

from __future__ import annotations

import functools
import re
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from src import provenance, runs
from src.config import Checker, plain
from src.errors import UserError
from src.studies.space import Point, Space

Compose = Callable[[list[str]], tuple[DictConfig, Mapping[str, str]]]
MOST = 100_000  # points checked one by one; of larger spaces every value of every dimension
SHOWN = 5  # examples of a mistake
LINK = re.compile(r"\$\{(\w[\w.]*)\}")
LATEST = 30  # finished runs among which the nearest is looked for
OTHER_CODE = "this configuration was run by other code (code=any would reuse it)"
NEW = "no run of this configuration"
FEW = 6  # differing keys that are worth naming


class Configurations:
    """The resolved configuration of every point of a space, composed as rarely as possible."""

    def __init__(self, space: Space, fixed: Sequence[str], compose: Compose, is_group: Callable[[str], bool]) -> None:
        self.space, self.fixed, self.compose = space, list(fixed), compose
        self._groups = {key for key in space.keys if is_group(key)}
        self._composed: dict[tuple[str, ...], _Composed] = {}

    def at(self, point: Point) -> dict[str, Any]:
        """The plain configuration at a point. Raises ValueError where it cannot be composed."""
        overrides = self.space.overrides(point)
        chosen = tuple(text for text in overrides if text.partition("=")[0] in self._groups)
        if chosen not in self._composed:
            self._composed[chosen] = self._compose(chosen)
        composed = self._composed[chosen]
        if composed.tangled:
            return self.of(overrides)
        return composed.with_scalars(dict(self._scalars(point)))

    def of(self, overrides: list[str]) -> dict[str, Any]:
        """The plain configuration that these overrides give."""
        return plain(self.compose([*self.fixed, *overrides])[0])

    def _compose(self, chosen: tuple[str, ...]) -> _Composed:
        config, _ = self.compose([*self.fixed, *chosen])
        varied = self.space.keys - self._groups
        links, tangled = {}, False
        for key, text in _texts(OmegaConf.to_container(config, resolve=False)):
            simple = LINK.fullmatch(text)
            if simple:
                links[key] = simple[1]
            elif "${." in text or ("${" in text and any(name in text for name in varied)):
                tangled = True
        return _Composed(plain(config), links, tangled)

    def _scalars(self, point: Point) -> Iterator[tuple[str, Any]]:
        for dimension in self.space.active(point):
            value = point[dimension.name]
            for key, one in zip(dimension.keys, value if len(dimension.keys) > 1 else (value,), strict=True):
                if key not in self._groups:
                    yield key, one


@dataclass(frozen=True)
class _Composed:
    """A composed configuration into which scalars can be put."""

    config: dict[str, Any]
    links: dict[str, str]
    """Keys that repeat another key's value (`${other}`)."""
    tangled: bool
    """An interpolation makes more of a varied key than its value: compose every point."""

    def with_scalars(self, scalars: Mapping[str, Any]) -> dict[str, Any]:
        changes = dict(scalars)
        for key, source in self.links.items():
            while source in self.links and source not in scalars:
                source = self.links[source]
            if source in scalars and key not in scalars:
                changes[key] = scalars[source]
        return _with(self.config, changes)


def _texts(node: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """(dotted key, text) of every text in a configuration."""
    if isinstance(node, str):
        yield prefix, node
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield from _texts(child, f"{prefix}.{key}" if prefix else str(key))


def _with(config: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with some dotted keys set; what is not touched is shared. Raises ValueError."""
    found = config
    for key, value in changes.items():
        found = _put(found, key, 0, list(value) if isinstance(value, tuple) else value)
    return found


def _put(node: Any, key: str, depth: int, value: Any) -> Any:
    """A copy of the node, a section or a list, with the value at the rest of the key from that depth on."""
    path = key.split(".")
    if depth == len(path):
        return value
    step: Any = path[depth]
    if isinstance(node, list) and step.isdigit() and int(step) < len(node):
        found: Any = list(node)
        step = int(step)
    elif isinstance(node, dict):
        found = dict(node)
    else:
        raise ValueError(f"{key}: there is no section '{path[depth - 1]}' in the configuration")
    found[step] = _put(node[step] if isinstance(node, list) else node.get(step), key, depth + 1, value)
    return found


def validate(configurations: Configurations) -> dict[str, Any]:
    """The parts of one combination, if all are right. Raises UserError naming every mistake in any, with examples."""
    space, checker = configurations.space, Checker()
    problems: dict[str, list[str]] = {}
    parts: dict[str, Any] = {}
    checked = 0
    for point in space.points() if space.size() <= MOST else _one_by_one(space):
        checked += 1
        try:
            config = configurations.at(point)
            parts, found = checker.parts(config)
        except ValueError as error:
            found = [str(error)]
        for problem in found:
            problems.setdefault(problem, []).append(" ".join(space.overrides(point)))
    if problems:
        raise UserError("\n".join(_sentence(problem, where, checked) for problem, where in problems.items()))
    return parts


def _sentence(problem: str, where: list[str], checked: int) -> str:
    if len(where) == checked:
        return problem
    hint = ""
    if "has no option" in problem:
        hint = (
            "; a key that belongs to one choice goes under it in the space, e.g. 'strategy=dann: {strategy.scale: ...}'"
        )
    examples = "; ".join(where[:SHOWN]) + ("; ..." if len(where) > SHOWN else "")
    return f"{problem}\n  in {len(where)} of {checked} combinations: {examples}{hint}"


def _one_by_one(space: Space) -> Iterator[Point]:
    """Every value of every dimension at least once, the others at their first; with every choice they depend on."""
    bound = Space(space.bound)
    free = [d for d in space.dimensions if d not in bound.dimensions]
    ends = {d.name: d.values or (d.low, d.high) for d in free}
    for point in bound.points():
        base = {**point, **{d.name: ends[d.name][0] for d in free}}
        yield base
        for dimension in free:
            for value in ends[dimension.name][1:]:
                yield {**base, dimension.name: value}


# --- what is done already ---


@dataclass(frozen=True, eq=False)
class Done:
    """Finished runs of a folder, by the key of their configuration."""

    by_key: dict[str, list[dict[str, Any]]]

    @classmethod
    def read(cls, root: Path) -> Done:
        found: dict[str, list[dict[str, Any]]] = {}
        for folder in runs.run_folders(root):
            if (folder / "DONE").exists() and runs.status(folder) == "finished":
                record = runs.read_json(folder / "record.json")
                found.setdefault(record.get("config_key", ""), []).append({**record, "folder": folder})
        return cls(found)

    def lookup(self, config: Mapping[str, Any], code: str) -> tuple[Path | None, str]:
        """The finished run of a configuration, or why there is none. Data are compared when the run starts."""
        same = self.by_key.get(provenance.config_key(config), [])
        fitting = [record for record in same if not code or record["code"] == code]
        if fitting:
            return Path(fitting[-1]["folder"]), ""
        if same:
            return None, OTHER_CODE
        return None, NEW

    def nearest(self, config: Mapping[str, Any]) -> str:
        """What distinguishes the configuration from the most similar of the latest finished runs."""
        mine = provenance.identity(config, "", "")
        nearest: tuple[list[str], str] | None = None
        for identity, name in self._latest():
            keys = provenance.differing_keys(mine, identity)
            if nearest is None or len(keys) < len(nearest[0]):
                nearest = keys, name
        if nearest is None or len(nearest[0]) > FEW:
            return ""
        return f" (nearest to the first of them: {nearest[1]}, which differs in {', '.join(nearest[0])})"

    @functools.lru_cache(maxsize=1)  # noqa: B019  one object a command
    def _latest(self) -> list[tuple[dict[str, Any], str]]:
        records = [record for same in self.by_key.values() for record in same]
        records.sort(key=lambda record: record["created"], reverse=True)
        found = []
        for record in records[:LATEST]:
            config: Any = OmegaConf.to_container(OmegaConf.load(Path(record["folder"]) / "config.yaml"))
            found.append((provenance.identity(config, "", ""), Path(record["folder"]).name))
        return found


@dataclass(frozen=True)
class Plan:
    """What a study would run."""

    configurations: int
    seeds: int
    cached: int
    misses: dict[str, int]
    """Why runs have to be made → how many."""
    seconds: float | None
    """Expected time of the rest on one worker."""

    def lines(self, workers: int) -> list[str]:
        total = self.configurations * self.seeds
        left = total - self.cached
        shape = f"{counted(self.configurations, 'configuration')} × {counted(self.seeds, 'seed')}"
        found = [f"{shape} = {counted(total, 'run')}; {self.cached} done already"]
        found += [f"  {count} to run: {reason}" for reason, count in self.misses.items()]
        if not left:
            return found
        if self.seconds is None:
            return [
                *found,
                "expected time: unknown, since no run with this data set and model has finished; try one run first",
            ]
        together = self.seconds / max(1, min(workers, self.configurations * self.seeds))
        return [
            *found,
            f"expected time: {duration(self.seconds)} of training, {duration(together)} with {workers} workers",
        ]


def make_plan(known: Iterator[dict[str, Any]], count: int, seeds: Sequence[int], done: Done, code: str) -> Plan:
    """Look every run of the known configurations up; those that results will choose count as to be run."""
    misses: dict[str, int] = {}
    cached = looked_up = 0
    example: dict[str, Any] | None = None
    nearest: str | None = None
    for config in known if done.by_key else ():
        looked_up += 1
        example = example or config
        for seed in seeds:
            folder, reason = done.lookup({**config, "seed": seed}, code)
            cached += folder is not None
            if folder is None:
                misses[reason] = misses.get(reason, 0) + 1
                if reason == NEW and nearest is None:
                    nearest = done.nearest({**config, "seed": seed})
    rest = (count - looked_up) * len(seeds)
    if rest:
        misses["no finished run to reuse" if not done.by_key else "chosen by the sampler"] = rest
    misses = {reason + (nearest or "") * (reason == NEW): number for reason, number in misses.items()}
    one = expected_seconds(example, done) if example else None
    return Plan(count, len(seeds), cached, misses, None if one is None else one * (count * len(seeds) - cached))


def expected_seconds(config: Mapping[str, Any], done: Done) -> float | None:
    """Median time of finished runs with the same data set and model, scaled to the epochs asked for."""
    found = []
    for records in done.by_key.values():
        for record in records:
            folder = Path(record["folder"])
            other: Any = OmegaConf.to_container(OmegaConf.load(folder / "config.yaml"))
            if all(
                other.get(part, {}).get("_target_") == config[part].get("_target_") for part in ("dataset", "model")
            ):
                ended = datetime.fromisoformat(runs.read_json(folder / "DONE")["ended"])
                seconds = (ended - datetime.fromisoformat(record["created"])).total_seconds()
                found.append(seconds * config["trainer"]["epochs"] / other["trainer"]["epochs"])
            if len(found) >= 20:
                return statistics.median(found)
    return statistics.median(found) if found else None


def counted(number: int, what: str) -> str:
    """1 seed, 2 seeds."""
    return f"{number} {what}" + ("s" if number != 1 else "")


def duration(seconds: float) -> str:
    """Time for people: 45 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
