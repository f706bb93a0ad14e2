"""CONTRIBUTING.md's worked example, replayed: three files make a component, and nothing else is edited."""

import re
import shutil
import subprocess
import sys

from tests.conftest import ROOT

BLOCK = re.compile(r"\*\*\d\. `(?P<path>[^`]+)`\*\*.*?```\w+\n(?P<text>.*?)```", re.DOTALL)


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
