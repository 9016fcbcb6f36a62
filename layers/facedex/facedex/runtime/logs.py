"""Logging of all functions: JSON lines on standard error, with the service name "facedex".

Modules of the packages below ``runtime`` use ``logging.getLogger(__name__)``; all others, functions
included, use ``get_logger(__name__)``. All their loggers are children of "facedex", so one handler
writes all lines, with the logger's name as the location.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from typing import Any, Final

from aws_lambda_powertools import Logger

from facedex.runtime.faults import is_foreseen, service_error

SERVICE: Final = "facedex"


def _write(line: Mapping[str, Any]) -> str:
    """Return a line as JSON in which control characters of terminals are escaped.

    JSON itself escapes only those below U+0020, and others turn the direction of text or begin
    terminal commands too.
    """
    text = json.dumps(line, default=str, separators=(",", ":"), ensure_ascii=False)
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in text)


# Created once: it sets up the handler of "facedex". Standard output is for a program's results.
_service: Final = Logger(
    service=SERVICE, stream=sys.stderr, location="%(name)s:%(lineno)d", json_serializer=_write
)


def get_logger(module: str) -> logging.Logger:
    """Return the logger of a module.

    Args:
        module: its ``__name__``. ``facedex_functions.index_upload.handler`` logs as
            ``facedex.functions.index_upload.handler``.
    """
    return logging.getLogger(module.replace(f"{SERVICE}_", f"{SERVICE}.", 1))


def log_failure(logger: logging.Logger, what: str, error: Exception, **fields: object) -> None:
    """Log an error: one line if it is foreseen, otherwise with a traceback.

    A traceback shows code, never data: arguments are not printed.

    Args:
        logger: of the module that handles the error.
        what: the work that failed, as the beginning of the line.
        error: the error.
        fields: further members of the line.
    """
    if is_foreseen(error):
        logger.error("%s: %s: %s", what, service_error(error).code, error, extra=fields)
    else:
        logger.error("%s.", what, exc_info=error, extra=fields)
