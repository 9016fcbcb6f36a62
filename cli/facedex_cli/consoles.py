"""Consoles for the output of commands, which programs read as well as people."""

from __future__ import annotations

import os
from typing import Final

from rich.console import Console

# Wider than any line, and so large that no table is ever fitted into it.
_UNLIMITED: Final = 10**9


def console(*, stderr: bool = False) -> Console:
    """Return a console that folds lines only on a terminal.

    In a pipe or a file, a folded line would not be found by ``grep``. A width that the caller sets
    with COLUMNS counts there, too; ``watch`` does so, which shows the output on a terminal.

    Args:
        stderr: whether it writes to standard error instead of standard output.
    """
    made = Console(stderr=stderr)
    if made.file.isatty() or os.environ.get("COLUMNS", "").isdigit():
        return made
    return Console(stderr=stderr, width=_UNLIMITED)
