"""Every benchmark module of this folder, one table; exit status 1 if a limit is missed or a module fails, and the others go on."""

from __future__ import annotations

import importlib
import os
import platform
import sys
import traceback
from pathlib import Path

from tests.bench.table import HEADER

names = sys.argv[1:] or sorted(path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py"))
print(f"{platform.machine()}, {os.cpu_count()} cores, python {platform.python_version()}\n{HEADER}", flush=True)
missed = 0
for name in names:
    try:
        for row in importlib.import_module(f"tests.bench.bench_{name}").rows():
            print(row, flush=True)
            missed += not row.kept
    except Exception:
        traceback.print_exc()
        print(f"| {name} | FAILED | | | | |", flush=True)
        missed += 1
sys.exit(bool(missed))
