"""The NOvA study's page: its pieces here, the whole command as a slow test on a few events."""

from dataclasses import dataclass

import numpy as np
import pytest

from src.reproduce import nova as study
from src.reproduce import nova_claims, nova_tables
from src.reproduce.nova_findings import matched
from src.reproduce.sweeps import SWEEPS
from tests.datasets.files import make_nova


def test_matched_events_have_the_same_hits_and_what_only_one_domain_has_counts_nothing():
    rng = np.random.default_rng(0)
    domain = np.repeat([0, 1], [3000, 2000])
    hits = np.where(domain == 0, rng.gamma(4, 12, 5000), rng.gamma(4, 25, 5000)).round()
    hits[-200:] = 5000  # no event of the first domain is like these
    weight = matched(hits, domain)
    means = [np.average(hits[domain == d], weights=weight[domain == d]) for d in range(2)]
    assert abs(means[0] - means[1]) < 0.06 * means[0]
    assert abs(hits[domain == 0].mean() - hits[domain == 1].mean()) > 40
    assert weight.min() >= 0
    assert weight[-200:].max() < 0.05
    masses = [weight[domain == d].sum() / (domain == d).sum() for d in range(2)]
    assert masses[0] == pytest.approx(masses[1])
    assert matched(hits, np.arange(5000) % 2) == pytest.approx(np.ones(5000), abs=0.25)


@pytest.mark.parametrize(("values", "verdict"), [
    ([0.1, 0.12, 0.11], "holds"), ([-0.1, -0.12, -0.11], "does not hold"), ([0.1, -0.1, 0.02], "not decided"), ([0.1], "not decided"),
])  # fmt: skip
def test_a_difference_is_judged_by_its_interval(values, verdict):
    claim = nova_claims._positive("a > b", values, "a - b")
    assert claim.verdict == verdict
    assert f"{np.mean(values):+.3f}" in claim.here
    assert f"n = {len(values)}" in claim.here


@dataclass(frozen=True)
class Scan:
    scales: dict


@dataclass(frozen=True)
class One:
    values: dict

    def metric(self, name):
        return self.values


def scan(rows):
    return Scan({scale: One(dict(zip("abcde", row, strict=False))) for scale, row in rows.items()})


def test_a_falling_score_is_a_trend_and_a_shrinking_gap_is_paired():
    falling = scan({s: 0.7 - 0.1 * s + 0.01 * np.arange(5) for s in (0.0, 0.3, 0.6, 1.0)})
    one = nova_tables.trend_of(falling, "any")
    assert one["mean"] == pytest.approx(-0.1)
    assert one["p"] < 0.01
    assert nova_tables.trend_of(scan({0.0: [1.0], 1.0: [0.5]}), "any") is None
    shrinking = nova_claims._shrinks("shrinks", scan({0.0: [0.2, -0.21, 0.22], 1.0: [0.1, 0.11, -0.1]}), "any")
    assert shrinking.verdict == "holds"
    assert "+0.107" in shrinking.here
    assert (
        nova_claims._shrinks("it does not", scan({0.0: [0.2, 0.21, 0.22], 1.0: [0.1, 0.11, 0.1]}), "any").verdict
        == "does not hold"
    )


def test_the_cut_flow_of_both_presets_begins_alike_and_never_rises(tmp_path):
    files = [make_nova(tmp_path, who, 60, class_mix=(1, 1, 1)) for who in ("genie", "gibuu")]
    rows = nova_tables.cut_flow(files, study.presets())
    for preset in study.PRESETS:
        here = [row for row in rows if row["preset"] == preset]
        assert here[0]["cut"] == "no cut"
        assert [here[0][f"{who} {c}"] for who in ("genie", "gibuu") for c in ("nc", "nue", "numu")] == ["20"] * 6
        for selection in ("numu", "nue"):
            left = [int(row["genie numu"]) for row in here if row["selection"] == selection]
            assert len(left) > 2
            assert left == sorted(left, reverse=True)
    assert {row["cut"] for row in rows if row["preset"] == "official"} > {
        row["cut"] for row in rows if row["preset"] == "thesis"
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", ["study", "quick"])
def test_levels_that_take_longer_can_be_planned(name, tmp_path, command):
    level = study.LEVELS[name]
    for sweep, changes in study.changes(level).items():
        places = [f"hydra.sweeper.studies_root={tmp_path}", f"runs_root={tmp_path}", "hydra.sweeper.plan=true"]
        small = ["dataset.events=300", "dataset.file_events=50"]  # a plan needs the data
        done = command("src.run", "--config-dir", str(SWEEPS), "-cn", sweep, *places, *changes, *small)
        assert done.returncode == 0, done.stderr[-2000:]
        assert "configurations" in done.stdout


@pytest.mark.slow
def test_the_whole_command_from_files_to_page(tmp_path, command):
    places = [f"{name}={tmp_path / name}" for name in ("data_root", "runs_root", "studies_root")]
    done = command("src.reproduce.nova", "level=smoke", *places, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    page = tmp_path / "studies_root/smoke/nova_page"
    assert "simulated events are used" in (page / "nova.md").read_text()
    for name in (
        "claims",
        "events",
        "cut_flow",
        "accuracy",
        "gaps",
        "cut",
        "trees",
        "discriminator",
        "scan",
        "detector",
    ):
        assert (page / f"{name}.csv").exists()
    pictures = {
        path.name.partition("_")[0] for path in (page / "figures").glob("*.png") if path.stat().st_size > 10_000
    }
    numbers = {int(n) for name in pictures if name.startswith("figure")
               for a, _, b in [name.removeprefix("figure").partition("-")] for n in range(int(a), int(b or a) + 1)}  # fmt: skip
    assert numbers == {7, *range(9, 43)} - {27}
