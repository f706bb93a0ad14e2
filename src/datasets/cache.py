"""Digests of files, and arrays made once and kept: a cache that is either complete or absent."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from src.datasets.inputs import open_packed
from src.errors import UserError


def digest(*parts: object) -> str:
    """16 hexadecimal digits for plain values."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def file_digest(paths: Iterable[Path]) -> str:
    """16 hexadecimal digits for the names and contents of files. Raises UserError for one that cannot be read."""
    total = hashlib.blake2b(digest_size=8)
    for path in paths:
        try:
            with path.open("rb") as file:
                content = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).digest()
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror})") from None
        total.update(path.name.encode() + b"\0" + content)
    return total.hexdigest()


def digests(paths: Sequence[Path], cache_root: Path) -> dict[Path, str]:
    """A digest of each file's content, remembered by path, size and time of change.

    Raises UserError for a file that cannot be read.
    """
    memory = cache_root / "digests.json"
    known = _remembered(memory)
    found, new = {}, {}
    for path in paths:
        try:
            stat = path.stat()
            stamp = f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}"
            if stamp not in known:
                with path.open("rb") as file:
                    known[stamp] = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
                new[stamp] = known[stamp]
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror})") from None
        found[path] = known[stamp]
    if new:
        _remember(memory, known)
    return found


def fingerprint(paths: Sequence[Path], folder: Path, cache_root: Path) -> str:
    """16 hexadecimal digits for the places (below the folder) and contents of files, in their order."""
    content = digests(paths, cache_root)
    return digest([[path.relative_to(folder).as_posix(), content[path]] for path in paths])


def _remembered(memory: Path) -> dict[str, str]:
    try:
        content = json.loads(memory.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _remember(memory: Path, known: dict[str, str]) -> None:
    partial = memory.with_name(f"{memory.name}.{uuid.uuid4().hex}.part")
    with contextlib.suppress(OSError):  # then they are computed again
        memory.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(known))
        os.replace(partial, memory)


def kept(path: Path, count: int, rows: Iterable[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """The array (count, *shape) stored under the path, memory-mapped; if it is not there, its rows are stored first.

    Rows are taken one by one, so that memory does not grow with their number. Raises UserError if it cannot be written.
    """
    if not path.exists():
        partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                for position, row in enumerate(rows):
                    if position == 0:
                        header = {"descr": row.dtype.str, "fortran_order": False, "shape": (count, *row.shape)}
                        np.lib.format.write_array_header_1_0(file, header)
                    file.write(np.ascontiguousarray(row).data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
        except OSError as error:
            raise unwritable(path, error) from None
        finally:
            with contextlib.suppress(OSError):
                partial.unlink()
    return open_packed(path)


def completed(folder: Path, make: Callable[[Path], None]) -> Path:
    """The folder, filled by `make` if it is not there: it appears when complete, or not at all.

    Whoever makes the same at the same time makes the same content. Raises UserError if it cannot be written.
    """
    if folder.exists():
        return folder
    partial = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.part")
    try:
        partial.mkdir(parents=True)
        make(partial)
        os.replace(partial, folder)
    except OSError as error:
        if not folder.exists():  # else another process was faster
            raise unwritable(folder, error) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def unwritable(path: Path, error: OSError) -> UserError:
    """The sentence for a cache that cannot be written."""
    remedy = "free some space" if error.errno == errno.ENOSPC else "give another cache_root"
    return UserError(f"{path}: cannot write the cache ({error.strerror or error}); {remedy}")
