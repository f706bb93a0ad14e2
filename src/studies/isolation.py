"""Runs in processes of their own, without paying the imports again: forked from a server that has made them.

A segmentation fault, an exit or the kernel's out-of-memory killer ends such a process, not the worker. The server only
imports: one tensor operation in it, and its children would hang in torch's thread pool; CUDA begins in the child.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Literal

from src import runs

PRELOADED = "src.studies.preloaded"
PATIENCE = 20.0  # seconds for a process to say its last words after TERM

Answer = Literal["go", "prune", "stop"]
OnEpoch = Callable[[Path, int, dict[str, float]], Answer]
"""(run folder, epoch, metrics) → whether to go on."""
Told = Callable[[Path | None, bool], None]
"""(run folder once it is known, whether the run has ended): called after every epoch, every second, and at the end."""


@dataclass(frozen=True)
class Ending:
    """How a run ended: `kind`, and for everything but 'finished' a sentence."""

    kind: Literal["finished", "pruned", "stopped", "busy", "mistake", "error", "memory", "died"]
    reason: str = ""
    folder: Path | None = None
    facts: dict[str, Any] = field(default_factory=dict)


def start_server() -> None:
    """Begin the imports now, so that the first run need not wait for all of them."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")  # read at import; a run sets torch's number itself
    _context().set_forkserver_preload([PRELOADED])
    from multiprocessing import forkserver

    forkserver.ensure_running()


def _context() -> multiprocessing.context.ForkServerContext:
    return multiprocessing.get_context("forkserver")


def run_isolated(
    config: dict[str, Any],
    on_epoch: OnEpoch,
    told: Told,
    target: Callable[[dict[str, Any], Connection], None] | None = None,
) -> Ending:
    """Train the resolved configuration in a process of its own.

    If this process is interrupted, so is the run: it gets the time to leave its true status behind.
    """
    ours, theirs = _context().Pipe()
    process = _context().Process(target=_begin, args=(target or child, _visible(), config, theirs), daemon=False)
    with _without_terminal_signals():
        process.start()
    theirs.close()
    ending: Ending | None = None
    folder: Path | None = None
    try:
        while ending is None:
            if not wait([ours], timeout=1.0):
                told(folder, False)
                continue
            try:
                message = ours.recv()
            except (EOFError, ConnectionResetError):
                break
            if isinstance(message, Ending):
                ending = message
            elif message[0] == "folder":
                folder = Path(message[1])
            else:
                assert folder is not None
                ours.send(on_epoch(folder, message[1], message[2]))
                told(folder, False)
        process.join()
        ending = ending or Ending("died", _cause(process.exitcode), folder)
    except BaseException as error:
        _end(process, signal.SIGINT if isinstance(error, KeyboardInterrupt) else signal.SIGTERM)
        raise
    finally:
        ours.close()
        if folder is not None and not process.is_alive():
            runs.bury(folder, "killed", ending.reason if ending else "interrupted")
            told(folder, True)
    return ending


def _end(process: Any, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, ValueError):
        if process.pid:
            os.kill(process.pid, number)
        process.join(PATIENCE)
        if process.is_alive():
            process.kill()
            process.join()


def _cause(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        return f"{name} (the kernel kills so when memory runs out)" if name == "SIGKILL" else name
    return f"exit status {code}"


@contextlib.contextmanager
def _without_terminal_signals() -> Iterator[None]:
    """Hold TERM and INT back while a process is being started, so that it cannot be lost sight of."""
    held = {signal.SIGINT, signal.SIGTERM, signal.SIGUSR2}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, held)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _visible() -> dict[str, str]:
    return {key: os.environ[key] for key in ("CUDA_VISIBLE_DEVICES",) if key in os.environ}


# --- in the child ---


def _begin(
    target: Callable[[dict[str, Any], Connection], None],
    visible: dict[str, str],
    config: dict[str, Any],
    pipe: Connection,
) -> None:
    os.environ.update(visible)  # the server was started with those of its first worker
    target(config, pipe)


def child(config: dict[str, Any], pipe: Connection) -> None:
    """Train one configuration, telling of every epoch and at last of the end."""
    os.setsid()  # the terminal's Ctrl-C reaches the worker, which passes it on
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGUSR2):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, set())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with open(os.devnull, "w") as nowhere:
        sys.stdout = nowhere
        ending = _trained(config, pipe)
    with contextlib.suppress(OSError):
        pipe.send(ending)
        pipe.close()
    os._exit(0)  # no clean-up of libraries that a fork shares with its server


def _end_with_parent() -> None:
    """A run without its worker would train on unseen and unheard."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGKILL)


def _trained(config: dict[str, Any], pipe: Connection) -> Ending:
    import torch
    from omegaconf import OmegaConf
    from tqdm import tqdm

    tqdm.set_lock(threading.RLock())  # its own would be a semaphore shared between processes

    from src import config as configuration
    from src import experiment
    from src.errors import UserError

    def on_epoch(epoch: int, metrics: dict[str, float]) -> None:
        pipe.send(("epoch", epoch, metrics))
        answer = pipe.recv()
        if answer != "go":
            raise {"prune": runs.Pruned, "stop": runs.Stopped}[answer](f"after epoch {epoch}")

    folder: Path | None = None

    def opened(path: Path) -> None:
        nonlocal folder
        folder = path
        pipe.send(("folder", str(path)))

    try:
        parts = configuration.check(OmegaConf.create(config))
        experiment.run(parts, on_epoch, opened=opened, mirror=False)
        return Ending("finished", folder=folder)
    except runs.Pruned as stop:
        return Ending("pruned", str(stop), folder)
    except runs.Stopped as stop:
        return Ending("stopped", str(stop), folder)
    except runs.Busy as error:
        return Ending("busy", str(error), folder)
    except UserError as error:
        return Ending("mistake", str(error), folder)
    except torch.OutOfMemoryError as error:
        return Ending("memory", str(error).splitlines()[0], folder)
    except (KeyboardInterrupt, runs.Terminated) as error:
        return Ending("died", type(error).__name__, folder)
    except SystemExit as error:
        return Ending("error", f"exit status {error.code}", folder)
    except BaseException as error:
        import traceback

        return Ending("error", f"{type(error).__name__}: {error}", folder, {"traceback": traceback.format_exc()})
