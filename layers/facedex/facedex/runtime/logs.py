"""The log of every function: JSON lines on standard error, all with the service name "facedex".

A module of the layer logs to ``logging.getLogger(__name__)`` or, from the runtime room upwards, to
``get_logger(__name__)``; a module of a function logs to ``get_logger(__name__)``. Their loggers are
all children of "facedex", so one handler writes them all, with the logger's name as the location.
"""

from __future__ import annotations

import logging
import sys
from typing import Final

from aws_lambda_powertools import Logger

from facedex.runtime.faults import is_foreseen, service_error

SERVICE: Final = "facedex"

# Made once: it sets up the handler of "facedex". Standard output is for what a program answers.
_service: Final = Logger(service=SERVICE, stream=sys.stderr, location="%(name)s:%(lineno)d")


def get_logger(module: str) -> logging.Logger:
    """Return the logger of a module.

    Args:
        module: its ``__name__``. ``facedex_functions.index_upload.handler`` logs as
            ``facedex.functions.index_upload.handler``.
    """
    return logging.getLogger(module.replace(f"{SERVICE}_", f"{SERVICE}.", 1))


def log_failure(logger: logging.Logger, what: str, error: Exception, **fields: object) -> None:
    """Log an error: one line if it was foreseen, with a traceback if not.

    A traceback names code, never data: arguments are not printed.

    Args:
        logger: of the module that handles the error.
        what: what failed, as the beginning of the line.
        error: what was raised.
        fields: further members of the line.
    """
    if is_foreseen(error):
        logger.error("%s: %s: %s", what, service_error(error).code, error, extra=fields)
    else:
        logger.error("%s.", what, exc_info=error, extra=fields)
