"""CONTRIBUTING.md's worked example, replayed: three files make a component, and nothing else is edited."""

import re
import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT

BLOCK = re.compile(r"\*\*\d\. `(?P<path>[^`]+)`\*\*.*?```\w+\n(?P<text>.*?)```", re.DOTALL)


@pytest.mark.slow
def test_the_worked_example_works_as_written(tmp_path):
    for folder in ("src", "conf", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    text = (ROOT / "CONTRIBUTING.md").read_text()
    files = {found["path"]: found["text"] for found in BLOCK.finditer(text)}
    assert len(files) == 3
    for path, content in files.items():
        (tmp_path / path).write_text(content)
    commands = re.search(r"nothing else to edit:\n\n```sh\n(.*?)```", text, re.DOTALL)[1].splitlines()
    assert len(commands) == 2
    for line in commands:
        arguments = [sys.executable, *line.split()[1:], *(["-p", "no:cacheprovider"] if "pytest" in line else [])]
        done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "no tests ran" not in done.stdout


def test_the_readmes_table_names_every_option_of_every_group():
    """And none that is not there (the first table with such rows); schedule has a share of the optimizer's row."""
    rows = re.findall(r"^\| `(\w+)`(?:, `schedule`)? \|[^|]*\|(.*)\|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    groups = {
        group: set(re.findall(r"`(\w+)`", named)) for group, named in reversed(rows) if (ROOT / "conf" / group).is_dir()
    }
    assert groups.keys() >= {"dataset", "model", "strategy", "imbalance_strategy", "noise_model", "augmentation"}
    for group, named in groups.items():
        there = {path.stem for path in (ROOT / "conf" / group).glob("*.yaml")}
        if group == "optimizer":
            there |= {path.stem for path in (ROOT / "conf" / "schedule").glob("*.yaml")}
        assert named == there, group
