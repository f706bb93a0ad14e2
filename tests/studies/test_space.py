"""What varies: the same text gives the same points whatever the sampler."""

import itertools
import re
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.errors import UserError
from src.studies import space
from src.studies.space import Space, text
from tests.studies.conftest import HydraHere

PARSE = HydraHere().parse


def read(spec):
    return space.read(spec, PARSE)


def points(spec):
    found = read(spec)
    return [found.overrides(point) for point in found.points()]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("1,2,3", [1, 2, 3]),
        ("choice(a,b)", ["a", "b"]),
        ("range(1,4)", [1, 2, 3]),
        ("range(0.0,0.5,0.1)", [0.0, 0.1, 0.2, 0.3, 0.4]),
        ("range(1,0,-0.25)", [1.0, 0.75, 0.5, 0.25]),
        ("range(0,1,0.1)", [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]),
        ("[1,2],[3,4]", [[1, 2], [3, 4]]),
        ("true,false,null", [True, False, None]),
        ("5", [5]),
        ([1, "two", [3]], [1, "two", [3]]),
        ("1,1,2", [1, 2]),
    ],
)
def test_values_of_a_dimension(written, expected):
    (dimension,) = read({"a.b": written}).dimensions
    assert list(dimension.values) == expected
    assert [type(value) for value in dimension.values] == [type(value) for value in expected]


def test_a_range_gives_the_same_points_to_every_sampler():
    found = read({"x": "range(0.0,0.5,0.1)"})
    (dimension,) = found.dimensions
    listed = {point["x"] for point in found.points()}
    drawn = {found.at([u])["x"] for u in np.linspace(0, 0.999, 200)}
    distribution = dimension.distribution()
    stepped = {dimension.decode(distribution.low + k * distribution.step) for k in range(5)}
    assert listed == drawn == stepped == {0.0, 0.1, 0.2, 0.3, 0.4}


@given(st.integers(-2000, 2000), st.integers(1, 999), st.integers(2, 12), st.integers(0, 4))
@settings(max_examples=200, deadline=None)
def test_optuna_can_hold_and_reach_every_value_of_a_range(first, step, count, digits):
    from optuna.distributions import CategoricalDistribution

    begin, width = Decimal(first).scaleb(-digits), Decimal(step).scaleb(-digits)
    (dimension,) = read({"x": f"range({begin:f},{begin + width * count:f},{width:f})"}).dimensions
    distribution = dimension.distribution()
    assert not isinstance(distribution, CategoricalDistribution)
    assert len(dimension.values) == count
    assert all(distribution._contains(value) for value in dimension.values)
    reached = {dimension.decode(distribution.low + k * distribution.step) for k in range(count)}
    assert reached == set(dimension.values)


@pytest.mark.parametrize(
    ("written", "low", "high", "log", "integer"),
    [
        ("interval(1,2)", 1, 2, False, False),
        ("log(1e-4,1e-1)", 1e-4, 0.1, True, False),
        ("tag(log,interval(1,100))", 1, 100, True, False),
        ("int(interval(1,9))", 1, 9, False, True),
        ("int(log(1,64))", 1, 64, True, True),
    ],
)
def test_intervals(written, low, high, log, integer):
    (d,) = read({"x": written}).dimensions
    assert (d.low, d.high, d.log, d.integer) == (low, high, log, integer)
    assert d.at(0) == pytest.approx(low)
    assert low <= d.at(0.999999) <= high
    assert isinstance(d.at(0.5), int) == integer


def test_conditional_dimensions_exist_only_where_they_should():
    spec = {"strategy": "erm,dann", "strategy=dann": {"strategy.scale": "0.1,1", "strategy.scale=1": {"x": "1,2"}}}
    assert points(spec) == [
        ["strategy=erm"], ["strategy=dann", "strategy.scale=0.1"],
        ["strategy=dann", "strategy.scale=1", "x=1"], ["strategy=dann", "strategy.scale=1", "x=2"],
    ]  # fmt: skip
    assert read(spec).size() == 4


def test_the_order_of_writing_does_not_matter_for_conditions():
    spec = {"strategy=dann": {"strategy.scale": "0.1,1"}, "strategy": "erm,dann"}
    assert points(spec) == [
        ["strategy=erm"],
        ["strategy=dann", "strategy.scale=0.1"],
        ["strategy=dann", "strategy.scale=1"],
    ]


def test_zipped_dimensions_move_together():
    assert points({"dataset, model": [["digits", "mlr"], ["nova", "lenet"]], "seedless": "1,2"}) == [
        ["dataset=digits", "model=mlr", "seedless=1"], ["dataset=digits", "model=mlr", "seedless=2"],
        ["dataset=nova", "model=lenet", "seedless=1"], ["dataset=nova", "model=lenet", "seedless=2"],
    ]  # fmt: skip


def test_a_condition_may_be_about_one_of_the_zipped_keys():
    spec = {"strategy, rate": [["erm", 0.1], ["dann", 0.3]], "strategy=dann": {"strategy.scale": "0.1,1"}, "x": "1,2"}
    assert points(spec) == [
        ["strategy=erm", "rate=0.1", "x=1"], ["strategy=erm", "rate=0.1", "x=2"],
        ["strategy=dann", "rate=0.3", "strategy.scale=0.1", "x=1"], ["strategy=dann", "rate=0.3", "strategy.scale=0.1", "x=2"],
        ["strategy=dann", "rate=0.3", "strategy.scale=1", "x=1"], ["strategy=dann", "rate=0.3", "strategy.scale=1", "x=2"],
    ]  # fmt: skip
    assert read(spec).size() == 6
    with pytest.raises(UserError, match="exists where strategy=gce, but strategy takes erm, dann"):
        read({**spec, "strategy=gce": {"y": "1"}})


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"a": "range(5,5)"}, "0 values"),
        ({"a": []}, "has no values"),
        ({"a": "interval(2,1)"}, "the interval is empty"),
        ({"a": "log(0,1)"}, "a: log(0,1): a logarithmic interval must begin above 0"),
        ({"a": "range(0,1,0)"}, "the step is 0"),
        ({"a, b": [[1, 2], [3]]}, "1 values for 2 keys"),
        ({"a, b": [1, 2]}, "list of rows"),
        ({"a": "1,2", "a, b": [[1, 2]]}, "varied twice"),
        ({"strategy=dann": {"x": "1,2"}}, "depends on 'strategy', which is not varied"),
        ({"strategy": "erm,dann", "strategy=dan": {"x": "1,2"}}, "strategy takes erm, dann"),
        ({"strategy": {"x": "1,2"}}, "a condition such as"),
        ({"a": "choice(1"}, "space.a"),
    ],
)
def test_contradictions_are_sentences(spec, sentence):
    with pytest.raises(UserError, match=re.escape(sentence)):
        read(spec)


def test_all_mistakes_at_once():
    with pytest.raises(UserError, match="a: has no values") as error:
        read({"a": [], "b": "range(5,5)", "strategy=dann": {"x": "1,2"}})
    assert len(str(error.value).splitlines()) == 3


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=12).filter(lambda s: s.strip() == s),
    lambda inner: st.lists(inner, max_size=3), max_leaves=4,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(VALUES)
def test_hydra_reads_every_value_back(value):
    (override,) = PARSE([f"a={text(value)}"])
    assert override.value() == value


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_size_counts_the_points(sizes):
    found = read({f"k{i}": list(range(size)) for i, size in enumerate(sizes)})
    listed = [tuple(found.overrides(point)) for point in found.points()]
    assert len(listed) == len(set(listed)) == found.size() == int(np.prod(sizes))


def test_a_point_survives_optunas_storage():
    spec = {
        "w": "[1,2],[3,4]",
        "m": "a,b",
        "n": "null,3",
        "x": "range(0,1,0.1)",
        "y": "log(1,10)",
        "a, b": [[1, "u"], [2, "v"]],
    }
    found = read(spec)
    for point in itertools.islice(found.points(), 50):
        assert found.decode(found.params(point)) == point
        assert all(
            d._contains(d.to_internal_repr(found.params(point)[k])) for k, d in found.distributions(point).items()
        )


def test_circles_are_refused():
    one = space.Dimension(("a",), (1, 2), when=(("b", (1,)),))
    with pytest.raises(UserError, match="in a circle"):
        Space([one, space.Dimension(("b",), (1, 2), when=(("a", (1,)),))])
