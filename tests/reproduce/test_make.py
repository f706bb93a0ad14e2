"""`make reproduce-*` types the commands that the other tests here run."""

import os
import re
import subprocess

import pytest

from tests.conftest import ROOT

STUDIES = [
    name
    for name in re.findall(r"^reproduce-([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    if name != "sweeps"
]


def typed(*arguments):
    # what `make test`, which runs this too, tells the makes below it
    alone = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(["make", "-n", *arguments], cwd=ROOT, env=alone, capture_output=True, text=True, check=True)
    return done.stdout.replace("\\\n", " ").split()


@pytest.mark.parametrize("study", STUDIES)
@pytest.mark.parametrize(
    ("given", "level"), [(["SMOKE=1"], "smoke"), (["QUICK=1"], "quick"), ([], "full")], ids=["smoke", "quick", "full"]
)
def test_a_target_is_its_studys_command(study, given, level):
    words = typed(f"reproduce-{study}", "RUNS=r", "STUDIES=s", "ARGS=data_root=d", *given)
    expected = ["-m", f"src.reproduce.{study.replace('-', '_')}", f"level={level}", "runs_root=r", "studies_root=s"]
    assert words[-6:] == [*expected, "data_root=d"]


def test_every_study_has_a_target_and_every_target_a_slow_test_of_its_smallest_level():
    assert len(STUDIES) == 5
    for study in STUDIES:
        name = study.replace("-", "_")
        assert f'"src.reproduce.{name}", "level=smoke"' in (ROOT / f"tests/reproduce/test_{name}.py").read_text()
