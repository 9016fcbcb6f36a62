"""Steps of the bulk state machine: check an execution's input, and index one photo of a bucket.

The state machine (``infra/constructs/bulk.py``) invokes the function with an ``Action``: ``check``
once at the beginning, and ``index`` for each object. A photo that can never be indexed is a result
like any other. An error means that the photo may be indexed later, or that no photo of the
execution can be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from facedex.api.errors import InvalidParameterException
from facedex.aws.dead_letters import plain_text
from facedex.runtime import audit, reporting
from facedex.runtime.faults import is_foreseen, service_error
from facedex.runtime.logs import get_logger, log_failure
from facedex.runtime.services import Services, owner
from facedex.settings import settings
from facedex_functions.index_bulk.checking import check
from facedex_functions.index_bulk.photos import index_photo

_logger = get_logger(__name__)


def lambda_handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Perform a step.

    Returns:
        For ``check``, the input with its defaults; for ``index``, a line of the report.

    Raises:
        ServiceError: the state machine repeats the step by the error's name.
    """
    with reporting.under(context):
        try:
            services = Services(owner())
            if event["Action"] == "check":
                return check(event, services)
            if event["Action"] == "index":
                request_id = getattr(context, "aws_request_id", "")
                trail = audit.begin_bulk(request_id, services.owner.region)
                services = Services(services.owner, trail)
                return index_photo(event["Order"], event["Key"], services)
        except Exception as raised:
            _fail(raised)
    raise InvalidParameterException(f"Action must be check or index, not {event['Action']!r}.")


def _fail(raised: Exception) -> NoReturn:
    """Raise the error by whose name the state machine decides what to do."""
    error = service_error(raised)
    if is_foreseen(raised):
        # The message may contain names; the execution's history and report have it too.
        reason = f": {plain_text(error.message)}" if settings().log_names else ""
        _logger.warning("A step of a bulk execution failed, %s%s", error.code, reason)
    else:
        log_failure(_logger, "A step of a bulk execution failed", raised)
    raise error from None
