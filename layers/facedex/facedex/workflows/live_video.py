"""What the functions for stream processors have in common: messages, and keeping runs going."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from facedex.api.errors import InvalidParameterException
from facedex.runtime.outbox import RETRY, send_due
from facedex.settings import Settings
from facedex.store import stream_runs
from facedex.store.database import Connection, Database

_logger: Final = logging.getLogger(__name__)


def refuse_label_detection(request: Mapping[str, Any], *members: str) -> None:
    """See that a request has none of the members that are for label detection only.

    Args:
        members: their places, such as ``Settings.ConnectedHome``. One that is empty counts as
            absent.

    Raises:
        InvalidParameterException: it has some.
    """
    if found := [place for place in members if _at(request, place)]:
        raise InvalidParameterException(
            f"{' and '.join(found)} must be left out: that is for detecting labels, and the stream"
            " processors of this service search for faces."
        )


def send(database: Database, settings: Settings, key: int | None = None) -> None:
    """Send the messages that are due, of one processor or of all.

    A message is ``{"StreamProcessor": key}``, with the store's key.
    """

    def claim(connection: Connection) -> list[dict[str, Any]]:
        return [{"StreamProcessor": due} for due in stream_runs.claim_sends(connection, key)]

    again = partial(stream_runs.send_again, seconds=RETRY)
    send_due(database, settings.stream_queue, claim, again)


def sweep(database: Database, settings: Settings) -> None:
    """Keep runs going, whatever died: to be called every few seconds or minutes, by anybody.

    Ends the processors that cannot go on, and sends the messages of those whose worker died or
    whose message was lost.

    Raises:
        DatabaseUnavailable: the database does not answer.
    """
    with database.transaction() as connection:
        for processor in stream_runs.settle(connection):
            _logger.warning(
                "The stream processor %s failed: %s", processor.name, processor.status_message
            )
    if settings.stream_queue:
        send(database, settings)


def _at(request: Mapping[str, Any], place: str) -> Any:
    found: Any = request
    for member in place.split("."):
        found = (found or {}).get(member)
    return found
