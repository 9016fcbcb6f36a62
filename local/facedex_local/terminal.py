"""Safe output of all logs and warnings of a process to the terminal.

Messages of this server, of moto and of other packages may contain what a client has sent, and so
control characters that a terminal would obey. A line that cannot be written stops no work.
"""

from __future__ import annotations

import logging
import sys
import threading
from contextlib import suppress
from typing import Any

from facedex.printing import printable

_logger = logging.getLogger("facedex")


class EscapingFormatter(logging.Formatter):
    """A formatter that escapes control characters, and line breaks too in messages."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the line of a record."""
        return printable(super().formatMessage(record).rstrip("\n"))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
        """Return the lines of a traceback, indented: an error's message may have several."""
        lines = super().formatException(ei).split("\n")
        return "\n".join(f"  {printable(line)}" for line in lines)


def say(line: str) -> None:
    """Write a line to stderr, which may be a file on a full disk or a pipe without a reader.

    A line that cannot be written is lost: the server answers, and its watchers go on, without it.
    """
    with suppress(OSError, ValueError):  # ValueError: the stream is closed
        print(line, file=sys.stderr, flush=True)


def escape_output() -> None:
    """Escape what loggers without a handler, warnings and failed threads write to stderr."""
    assert logging.lastResort
    logging.lastResort.setFormatter(EscapingFormatter())
    warnings = logging.StreamHandler(sys.stderr)
    warnings.setFormatter(EscapingFormatter())
    logging.getLogger("py.warnings").handlers = [warnings]
    logging.captureWarnings(True)
    threading.excepthook = _log_failure


def _log_failure(failure: threading.ExceptHookArgs) -> None:
    if failure.exc_value and failure.exc_type is not SystemExit:
        name = failure.thread.name if failure.thread else "unknown"
        _logger.error("The thread %s failed.", name, exc_info=failure.exc_value)
