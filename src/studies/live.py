"""A study's state on the terminal while it runs: every configuration that ended, and a table below that keeps up."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from pathlib import Path
from types import TracebackType

from src.studies.overview import Overview
from src.studies.worker import told

log = logging.getLogger("src")

EVERY = 1.0  # seconds between looks


class Live:
    """`with Live(folder): ...` prints each configuration that ends; on a terminal also a table that is redrawn."""

    def __init__(self, folder: Path) -> None:
        self._overview = Overview(folder)
        self._told = {trial["number"] for trial, _ in self._overview.results}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="live", daemon=True)
        self._drawn = 0

    def __enter__(self) -> Live:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._look(table=False)

    def _watch(self) -> None:
        while not self._stop.wait(EVERY):
            self._look(table=sys.stdout.isatty())

    def _look(self, table: bool) -> None:
        with contextlib.suppress(Exception):  # a look at files that others are writing must not stop the study
            self._overview.refresh()
        self._erase()
        for trial, result in self._overview.results:
            if trial["number"] not in self._told:
                self._told.add(trial["number"])
                log.info("%s", told(trial, result))
        if table:
            lines = [line[:160] for line in self._overview.lines()[:20]]
            print("\n".join(lines), flush=True)
            self._drawn = len(lines)

    def _erase(self) -> None:
        if self._drawn:
            print(f"\x1b[{self._drawn}F\x1b[J", end="", flush=True)
            self._drawn = 0
