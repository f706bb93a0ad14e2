"""`make demo` from an installed environment, as a process: time and memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from tempfile import TemporaryDirectory
from time import perf_counter

from tests.bench.table import Row

CHILD = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=2);" + (
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20)"
)


def rows() -> Iterator[Row]:
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "src.run", "dataset=nova", "model=mobilenet", "strategy=dann"]
        places = [f"runs_root={folder}/runs", f"cache_root={folder}/cache"]
        started = perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", CHILD, *command, *places],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        yield Row("make demo, data simulated afresh: wall time", [perf_counter() - started], "s", at_most=120)
        yield Row("make demo: peak memory", [float(done.stdout)], "GB", at_most=2)
