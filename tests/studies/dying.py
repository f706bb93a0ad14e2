"""Runs that end badly, each in its own way; run in processes of their own."""

from __future__ import annotations

import os
import signal
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any


def die(config: dict[str, Any], pipe: Connection) -> None:
    """Begin a run, tell of one epoch, and die as `config['name']` says; a folder `healed` beside the runs heals."""
    from src import provenance, runs
    from src.studies.isolation import (
        Ending,
        _trained,  # noqa: F401  the real child's imports
    )

    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    root, kind = Path(config["runs_root"]), config["name"]
    key = provenance.run_key({**config, "name": kind}, "data", "")
    record = {**provenance.describe(key, kind, config["seed"], "data", ""), "figures": False}
    run = runs.open_run(root, kind, key, config, record, resume=True, force=False)
    pipe.send(("folder", str(run.folder)))
    healed = (root.parent / "healed").exists()
    try:
        with run:
            run.record_epoch(1, {"val/balanced_accuracy": 0.5})
            pipe.send(("epoch", 1, {"val/balanced_accuracy": 0.5}))
            pipe.recv()
            if not healed:
                WAYS[kind]()
            run.write_json("metrics.json", {"score": 0.5, "val/balanced_accuracy": 0.5})
        pipe.send(Ending("finished", folder=run.folder))
    except MemoryError as error:
        pipe.send(Ending("error", f"MemoryError: {error}", run.folder))
    except SystemExit as error:
        if isinstance(error, runs.Terminated):
            pipe.send(Ending("died", "Terminated", run.folder))
        else:
            pipe.send(Ending("error", f"exit status {error.code}", run.folder))
    except ArithmeticError as error:
        pipe.send(Ending("error", f"{type(error).__name__}: {error}", run.folder))
    pipe.close()
    os._exit(0)


def _raise() -> None:
    raise ArithmeticError("something broke")


def _memory() -> None:
    import resource

    used = int(Path("/proc/self/statm").read_text().split()[0]) * 4096
    resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), -1))
    _ = bytearray(1 << 30)


def _signal(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(30)


def _abrupt() -> None:
    os._exit(7)


WAYS = {
    "exception": _raise, "exit": lambda: sys.exit(3), "abrupt": _abrupt, "memory": _memory,
    "segfault": lambda: _signal(signal.SIGSEGV), "kill": lambda: _signal(signal.SIGKILL),
    "term": lambda: _signal(signal.SIGTERM),
}  # fmt: skip
