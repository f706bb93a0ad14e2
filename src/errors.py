"""The one exception for a user's mistake: shown as a sentence, never as a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """What went wrong, where, and what to do about it; the command prints it and exits with status 2."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """'; did you mean ...?' with the nearest known word, or the list of known words if none is near."""
    known = sorted(known)
    near = difflib.get_close_matches(word, known, n=1)
    if near:
        return f"; did you mean '{near[0]}'?"
    return f"; known: {', '.join(known)}" if known else ""
