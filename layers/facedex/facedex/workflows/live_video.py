"""Stream processors: sending of their messages, and maintenance of their runs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from facedex.api.errors import InvalidParameterException
from facedex.runtime.logs import get_logger
from facedex.runtime.outbox import RETRY, send_due
from facedex.settings import Settings
from facedex.store import active_streams, stream_runs
from facedex.store.database import Connection, Database

_logger: Final = get_logger(__name__)

STREAMS: Final = ("KINESIS", "KINESIS_VIDEO")  # the services that a processor needs


def refuse_label_detection(request: Mapping[str, Any], *members: str) -> None:
    """Reject a request that has members for label detection.

    Args:
        request: a checked request.
        members: paths of the members, such as ``Settings.ConnectedHome``. An empty one counts as
            absent.

    Raises:
        InvalidParameterException: if the request has any of them.
    """
    if found := [path for path in members if _read_member(request, path)]:
        raise InvalidParameterException(
            f"{' and '.join(found)} must be omitted: the stream processors of this service"
            " search for faces and do not detect labels."
        )


def send(database: Database, settings: Settings, key: int | None = None) -> None:
    """Send the due messages of one processor or of all.

    A message is ``{"StreamProcessor": key}``, with the store's key.
    """

    def claim(connection: Connection) -> list[dict[str, Any]]:
        due = stream_runs.claim_messages(connection, key, servers=settings.servers(*STREAMS))
        return [{"StreamProcessor": each} for each in due]

    resend = partial(stream_runs.resend_messages, seconds=RETRY)
    send_due(database, settings.stream_queue, claim, resend)


def sweep(database: Database, settings: Settings) -> None:
    """Maintain the runs; to be called every few seconds or minutes, by any process.

    Ends runs that cannot continue, and sends the messages of processors whose worker died or
    whose message was lost.

    Raises:
        DatabaseUnavailable: if the database does not answer.
    """
    with database.transaction() as connection:
        for processor in active_streams.end_impossible_runs(connection):
            _logger.warning(
                "The stream processor %s failed: %s", processor.name, processor.status_message
            )
    if settings.stream_queue:
        send(database, settings)


def _read_member(request: Mapping[str, Any], path: str) -> Any:
    found: Any = request
    for member in path.split("."):
        found = (found or {}).get(member)
    return found
