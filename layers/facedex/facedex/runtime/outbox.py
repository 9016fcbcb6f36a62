"""Sending of the messages that the database marks as due."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from facedex.aws.notifications import NotSent, send_messages
from facedex.runtime.logs import get_logger
from facedex.store.database import Connection, Database

_logger: Final = get_logger(__name__)

RETRY: Final = 10  # seconds until messages that the queue did not accept are sent again


def send_due(
    database: Database,
    queue: str,
    claim: Callable[[Connection], Sequence[Mapping[str, Any]]],
    resend: Callable[[Connection], None],
) -> None:
    """Send the messages that are due.

    A message that does not reach the queue, or is lost after it, is sent again by a later sweep.

    Args:
        database: where the messages are.
        queue: URL of the queue.
        claim: claims the due messages for this process, and returns them.
        resend: makes the messages of unclaimed work due again, ``RETRY`` seconds later.

    Raises:
        DatabaseUnavailable: if the database does not answer.
    """
    with database.transaction() as connection:
        due = claim(connection)
    if not due:
        return
    try:
        send_messages(queue, due)
    except NotSent as error:
        _logger.warning("%s %d messages will be sent again soon.", error, len(due))
        with database.transaction() as connection:
            resend(connection)
