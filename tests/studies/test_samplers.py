"""Where configurations come from: numbered samplers depend on nothing but the number."""

import numpy as np
import optuna
import pytest
from scipy.stats.qmc import Sobol

from src.studies import space
from src.studies.options import Pruner, Sampler
from src.studies.samplers import Numbered, adaptive, make_pruner, suggest
from tests.studies.conftest import HydraHere

SPEC = {"x": "log(1e-3,1)", "n": "range(0,1,0.25)", "m": "a,b", "m=b": {"w": "[1,2],[3,4]"}}


@pytest.fixture
def found():
    return space.read(SPEC, HydraHere().parse)


@pytest.mark.parametrize("name", ["random", "qmc"])
def test_numbered_samplers_depend_on_seed_and_number_only(name, found):
    forwards = [Numbered(Sampler(name=name), found).point(n) for n in range(8)]
    again = Numbered(Sampler(name=name), found)
    assert [again.point(n) for n in reversed(range(8))] == forwards[::-1]
    assert Numbered(Sampler(name=name, seed=1), found).point(3) != forwards[3]
    assert {point["m"] for point in forwards} == {"a", "b"}
    assert all(("w" in point) == (point["m"] == "b") for point in forwards)


def test_qmc_is_scrambled_sobol(found):
    sobol = Sobol(4, rng=np.random.default_rng(0)).random(16)
    sampler = Numbered(Sampler(name="qmc"), found)
    assert [sampler.point(n) for n in range(16)] == [found.at(row) for row in sobol.tolist()]


def test_the_grid_lists_every_point_once_but_for_those_taken():
    found = space.read({"a": "1,2,3", "b": "x,y"}, HydraHere().parse)
    sampler = Numbered(Sampler(), found, skip=[("a=2", "b=x")])
    listed = [tuple(found.overrides(sampler.point(n))) for n in range(5)]
    assert len(set(listed)) == 5
    assert ("a=2", "b=x") not in listed
    assert sampler.point(1) == {"a": 1, "b": "y"}  # back again
    with pytest.raises(IndexError):
        sampler.point(5)


@pytest.mark.parametrize("name", ["tpe", "gp", "cma-es", "nsga2"])
def test_adaptive_samplers_stay_in_the_space_and_repeat(name, found):
    def drawn():
        study = optuna.create_study(direction="maximize")
        points = []
        for number in range(14):
            study.sampler = adaptive(Sampler(name=name), number, constrained=False)
            trial = study.ask()
            points.append(suggest(trial, found))
            study.tell(trial, -abs(np.log10(points[-1]["x"]) + 2) + points[-1]["n"])
        return points

    first = drawn()
    assert first == drawn()
    for point in first:
        assert found.nearest(lambda key, point=point: point.get(key)) == point
    assert len({str(point) for point in first}) > 8, "a restart must not repeat the first draws"


def test_tpe_learns():
    found = space.read({"x": "interval(0,1)"}, HydraHere().parse)
    study = optuna.create_study()
    for number in range(40):
        study.sampler = adaptive(Sampler(name="tpe"), number, constrained=False)
        trial = study.ask()
        study.tell(trial, (suggest(trial, found)["x"] - 0.7) ** 2)
    assert abs(study.best_params["x"] - 0.7) < 0.03


@pytest.mark.parametrize("startup", [2, 30])
def test_tpe_proposes_after_its_startup(startup):
    """What it proposes depends on the values it has been told; what it draws at first does not."""
    found = space.read({"x": "interval(0,1)"}, HydraHere().parse)

    def last(told):
        study = optuna.create_study()
        for number in range(12):
            study.sampler = adaptive(Sampler(name="tpe", startup=startup), number, constrained=False)
            trial = study.ask()
            x = suggest(trial, found)["x"]
            study.tell(trial, told(x))
        return x

    assert (last(lambda x: x) == last(lambda x: -x)) == (startup == 30)


def test_constraints_steer_the_sampler():
    found = space.read({"x": "interval(0,1)"}, HydraHere().parse)
    study, late = optuna.create_study(), []
    for number in range(40):
        study.sampler = adaptive(Sampler(name="tpe"), number, constrained=True)
        trial = study.ask()
        x = suggest(trial, found)["x"]
        trial.set_user_attr("excess", [x - 0.3])
        study.tell(trial, -x)
        late += [x] if number >= 25 else []
    assert np.mean(np.array(late) <= 0.3) > 0.4, "unconstrained, nearly all would be near 1"


@pytest.mark.parametrize("name", ["none", "asha", "hyperband", "median", "wilcoxon"])
def test_pruners_are_optunas(name):
    expected = {
        "none": "Nop",
        "asha": "SuccessiveHalving",
        "hyperband": "Hyperband",
        "median": "Median",
        "wilcoxon": "Wilcoxon",
    }
    assert type(make_pruner(Pruner(name=name), 9)).__name__ == f"{expected[name]}Pruner"
