"""What a study varies: dimensions, the points they span, and how a point reads as overrides.

The same text gives the same points whatever the sampler: ranges exclude their end and are counted in decimals, so
range(0,0.5,0.1) is 0, 0.1, 0.2, 0.3, 0.4.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from src.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Parse = Callable[[Sequence[str]], list[Any]]
"""`key=value` texts to Hydra's Overrides; raises ValueError."""
Point = dict[str, Any]
"""Dimension name → value; only the active dimensions."""

PLAIN = re.compile(r"[A-Za-z_][\w./-]*")
RESERVED = {"true", "false", "null", "nan", "inf"}
MOST = 1_000_000  # values of one range


@dataclass(frozen=True)
class Dimension:
    """One thing that varies: a key (or several zipped ones), its values, and the choices under which it exists."""

    keys: tuple[str, ...]
    values: tuple[Any, ...] = ()
    """All values of a discrete dimension; of a zipped one tuples, in the order of the keys. Empty: an interval."""
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    integer: bool = False
    ordered: bool = False
    """The values are an arithmetic sequence."""
    when: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    """(key, values): the dimension exists where every such key has one of these values."""

    @property
    def name(self) -> str:
        return ",".join(self.keys)

    @property
    def kind(self) -> str:
        return ("range" if self.ordered else "choice") if self.values else "interval"

    def active(self, point: Mapping[str, Any]) -> bool:
        """Whether the point's values so far (dimension's name → value) let the dimension exist."""
        if not self.when:
            return True
        chosen = {key: value for name, given in point.items() for key, value in _each(name, given)}
        return all(key in chosen and chosen[key] in values for key, values in self.when)

    def of(self, key: str) -> Dimension:
        """One key of a zipped dimension by itself."""
        if len(self.keys) == 1:
            return self
        return Dimension((key,), tuple(value[self.keys.index(key)] for value in self.values))

    def at(self, u: float) -> Any:
        """The value at u in [0, 1)."""
        if self.values:
            return self.values[int(u * len(self.values))]
        low, high = (self.low, self.high + 1) if self.integer else (self.low, self.high)
        x = math.exp(math.log(low) + u * math.log(high / low)) if self.log else low + u * (high - low)
        return min(int(x), int(self.high)) if self.integer else x

    def contains(self, value: Any) -> bool:
        if self.values:
            return value in self.values
        return isinstance(value, (int, float)) and not isinstance(value, bool) and self.low <= value <= self.high

    def encode(self, value: Any) -> Any:
        """The value as Optuna can store it."""
        return value if isinstance(value, (str, int, float, bool, type(None))) else text(value)

    def decode(self, stored: Any) -> Any:
        if self.ordered:
            return min(self.values, key=lambda value: abs(value - stored))
        if self.values:
            return next(value for value in self.values if self.encode(value) == stored)
        return int(stored) if self.integer else float(stored)

    def distribution(self) -> BaseDistribution:
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        if self.ordered and len(self.values) > 1:
            low, high = min(self.values), max(self.values)
            step: Any = abs(Decimal(repr(self.values[1])) - Decimal(repr(self.values[0])))
            if all(isinstance(value, int) for value in self.values):
                return IntDistribution(low, high, step=int(step))
            return FloatDistribution(low, high, step=float(step))
        if self.values:
            return CategoricalDistribution([self.encode(value) for value in self.values])
        if self.integer:
            return IntDistribution(int(self.low), int(self.high), log=self.log)
        return FloatDistribution(self.low, self.high, log=self.log)

    def described(self) -> dict[str, Any]:
        """As it stands in the manifest."""
        when = {key: list(values) for key, values in self.when} or None
        if self.values:
            return {"key": self.name, "kind": self.kind, "values": [self.encode(v) for v in self.values], "when": when}
        size = {"low": self.low, "high": self.high, "log": self.log, "integer": self.integer}
        return {"key": self.name, "kind": self.kind, **size, "when": when}


def _each(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """(key, value) of a dimension's value."""
    keys = name.split(",")
    return zip(keys, value if len(keys) > 1 else (value,), strict=True)


class Space:
    """Dimensions in an order in which conditions come before what depends on them."""

    def __init__(self, dimensions: Sequence[Dimension]) -> None:
        self.dimensions = _ordered(dimensions)

    @property
    def keys(self) -> set[str]:
        return {key for dimension in self.dimensions for key in dimension.keys}

    @property
    def bound(self) -> list[Dimension]:
        """Dimensions with conditions, and those that the conditions are about."""
        steering = {key for dimension in self.dimensions for key, _ in dimension.when}
        return [dimension for dimension in self.dimensions if dimension.when or steering & set(dimension.keys)]

    @property
    def discrete(self) -> bool:
        return all(dimension.values for dimension in self.dimensions)

    def active(self, point: Mapping[str, Any]) -> Iterator[Dimension]:
        return (dimension for dimension in self.dimensions if dimension.name in point)

    def points(self) -> Iterator[Point]:
        """Every point of a discrete space, the last dimension fastest; intervals contribute their two ends."""
        return self._points(0, {})

    def _points(self, index: int, point: Point) -> Iterator[Point]:
        if index == len(self.dimensions):
            yield dict(point)
            return
        dimension = self.dimensions[index]
        if not dimension.active(point):
            yield from self._points(index + 1, point)
            return
        ends = {dimension.low: None, dimension.high: None}
        for value in dimension.values or [int(end) if dimension.integer else end for end in ends]:
            yield from self._points(index + 1, {**point, dimension.name: value})

    def size(self) -> int:
        """The number of points that `points` yields, without making those of free dimensions."""
        bound = self.bound
        free = [len(d.values) or 2 for d in self.dimensions if d not in bound]
        return math.prod(free) * (sum(1 for _ in Space(bound).points()) if bound else 1)

    def at(self, unit: Sequence[float]) -> Point:
        """The point at one number in [0, 1) per dimension; those of inactive dimensions are not used."""
        point: Point = {}
        for dimension, u in zip(self.dimensions, unit, strict=True):
            if dimension.active(point):
                point[dimension.name] = dimension.at(u)
        return point

    def overrides(self, point: Mapping[str, Any]) -> list[str]:
        """The point as key=value, in the order of the dimensions."""
        found = []
        for dimension in self.active(point):
            found += [f"{key}={text(value)}" for key, value in _each(dimension.name, point[dimension.name])]
        return found

    def params(self, point: Mapping[str, Any]) -> dict[str, Any]:
        """The point as Optuna stores it."""
        return {d.name: d.encode(point[d.name]) for d in self.active(point)}

    def distributions(self, point: Mapping[str, Any]) -> dict[str, BaseDistribution]:
        return {d.name: d.distribution() for d in self.active(point)}

    def decode(self, params: Mapping[str, Any]) -> Point:
        return {d.name: d.decode(params[d.name]) for d in self.dimensions if d.name in params}

    def nearest(self, value_of: Callable[[str], Any]) -> Point | None:
        """The point that has these values, or None if they lie outside the space."""
        point: Point = {}
        for dimension in self.dimensions:
            if dimension.active(point):
                values = tuple(value_of(key) for key in dimension.keys)
                value = values if len(values) > 1 else values[0]
                if not dimension.contains(value):
                    return None
                point[dimension.name] = value
        return point


def text(value: Any) -> str:
    """A value in the language of Hydra's command line."""
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "null"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return f"[{','.join(text(item) for item in value)}]"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{text(item)}" for key, item in value.items()) + "}"
    if PLAIN.fullmatch(value) and value.lower() not in RESERVED:
        return str(value)
    # in Hydra's quotes a backslash is one, except before a quotation mark
    return '"' + re.sub(r'(\\*)("|$)', lambda m: m[1] * 2 + ('\\"' if m[2] else ""), value) + '"'


# --- reading ---


def read(spec: Mapping[str, Any], parse: Parse) -> Space:
    """The space that a study's file describes. Raises UserError with every mistake found, one a line."""
    problems: list[str] = []
    dimensions = list(_read(spec, (), parse, problems))
    seen: set[str] = set()
    for dimension in dimensions:
        for key in dimension.keys:
            if key in seen:
                problems.append(f"space: '{key}' is varied twice; one key, one dimension")
            seen.add(key)
    problems += _unreachable(dimensions)
    if problems:
        raise UserError("\n".join(problems))
    return Space(dimensions)


def _read(
    spec: Mapping[str, Any], when: tuple[tuple[str, tuple[Any, ...]], ...], parse: Parse, problems: list[str]
) -> Iterator[Dimension]:
    for key, given in spec.items():
        try:
            if isinstance(given, Mapping):
                yield from _read(given, (*when, _condition(str(key), given, parse)), parse, problems)
            else:
                yield _dimension(str(key), given, when, parse)
        except ValueError as error:
            problems.append(f"space.{key}: {error}")


def _condition(key: str, given: Mapping[str, Any], parse: Parse) -> tuple[str, tuple[Any, ...]]:
    name, equals, value = key.partition("=")
    if not equals:
        inside = ", ".join(map(str, given))
        raise ValueError(f"give values, or a condition such as 'strategy=dann' before {{{inside}}}")
    return name.strip(), _values(name.strip(), value, parse)[0]


def _dimension(key: str, given: Any, when: tuple[tuple[str, tuple[Any, ...]], ...], parse: Parse) -> Dimension:
    keys = tuple(part.strip().lstrip("+") for part in key.split(","))
    if len(keys) > 1:
        if not isinstance(given, (list, tuple)) or not all(isinstance(row, (list, tuple)) for row in given):
            raise ValueError("zipped keys need a list of rows, e.g. [[1, 5], [2, 9]]")
        wrong = next((row for row in given if len(row) != len(keys)), None)
        if wrong is not None:
            raise ValueError(f"the row {text(wrong)} has {len(wrong)} values for {len(keys)} keys")
        return Dimension(keys, _distinct([tuple(row) for row in given]), when=when)
    if isinstance(given, str):
        swept = _sweep(keys[0], given, parse)
        if isinstance(swept, Dimension):
            return Dimension(**{**vars(swept), "when": when})
    values, ordered = _values(keys[0], given, parse)
    return Dimension(keys, values, ordered=ordered, when=when)


def _sweep(key: str, given: str, parse: Parse) -> Dimension | None:
    """An interval as a dimension; None for everything else."""
    override = _parsed(key, given, parse)
    if not override.is_interval_sweep():
        return None
    interval = override.value()
    integer = isinstance(interval.start, int) and isinstance(interval.end, int)
    low, high, log = interval.start, interval.end, "log" in interval.tags
    given = re.sub(r"tag\(log, ?interval\((.*)\)\)", r"log(\1)", given)  # as people write it
    if not low < high:
        raise ValueError(f"{given}: the interval is empty; its low end must be below its high end")
    if log and not low > 0:
        raise ValueError(f"{given}: a logarithmic interval must begin above 0")
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"{given}: the ends of an interval must be finite")
    return Dimension((key,), low=low, high=high, log=log, integer=integer)


def _values(key: str, given: Any, parse: Parse) -> tuple[tuple[Any, ...], bool]:
    """The values of a discrete dimension, and whether they are an arithmetic sequence."""
    if not isinstance(given, str):
        return _distinct(list(given) if isinstance(given, (list, tuple)) else [given]), False
    override = _parsed(key, given, parse)
    if not override.is_sweep_override():
        return (override.value(),), False
    if override.is_range_sweep():
        sweep = override.value()
        return _range(sweep.start, sweep.stop, sweep.step, given), True
    from_hydra = [_plain(value) for value in override.sweep_iterator()]
    return _distinct(from_hydra), False


def _plain(value: Any) -> Any:
    """A parsed value without Hydra's quotation marks."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return getattr(value, "text", value)


def _parsed(key: str, given: str, parse: Parse) -> Any:
    written = re.sub(r"\blog\(([^()]*)\)", r"tag(log,interval(\1))", given)
    return parse([f"{key}={written}"])[0]


def _range(start: float, stop: float, step: float, given: str) -> tuple[Any, ...]:
    if step == 0:
        raise ValueError(f"{given}: the step is 0")
    first, last, width = (Decimal(repr(number)) for number in (start, stop, step))
    count = max(0, math.ceil((last - first) / width))
    if not 0 < count <= MOST:
        raise ValueError(f"{given}: has {count} values" + ("; the end is not included" if not count else ""))
    numbers = [first + k * width for k in range(count)]
    whole = all(isinstance(number, int) for number in (start, stop, step))
    return tuple(int(number) if whole else float(number) for number in numbers)


def _distinct(values: list[Any]) -> tuple[Any, ...]:
    if not values:
        raise ValueError("has no values")
    return tuple({f"{type(value).__name__} {text(value)}": value for value in values}.values())


def _unreachable(dimensions: Sequence[Dimension]) -> list[str]:
    """Conditions that never hold."""
    known = {key: dimension.of(key) for dimension in dimensions for key in dimension.keys}
    problems = []
    for dimension in dimensions:
        for key, values in dimension.when:
            if key not in known:
                problems.append(f"space: '{dimension.name}' depends on '{key}', which is not varied{_near(key, known)}")
            elif not all(known[key].contains(value) for value in values):
                there = ", ".join(text(value) for value in known[key].values)
                wanted = ", ".join(text(value) for value in values)
                problems.append(f"space: '{dimension.name}' exists where {key}={wanted}, but {key} takes {there}")
    return problems


def _near(key: str, known: Mapping[str, Dimension]) -> str:
    return did_you_mean(key, [name for name in known if name != key])


def _ordered(dimensions: Sequence[Dimension]) -> list[Dimension]:
    """Conditions first; raises UserError if dimensions depend on each other in a circle."""
    placed: list[Dimension] = []
    waiting = list(dimensions)
    while waiting:
        names = {key for dimension in waiting for key in dimension.keys}
        ready = next((d for d in waiting if not any(key in names for key, _ in d.when)), None)
        if ready is None:
            raise UserError(f"space: {', '.join(sorted(names))} depend on each other in a circle")
        placed.append(ready)
        waiting.remove(ready)
    return placed
