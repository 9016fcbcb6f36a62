"""Messages that the database says are due: sent now, or again soon."""

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

    The next sweep sends those again that do not reach the queue, or are lost on the way.

    Args:
        database: where the messages are.
        queue: URL of the queue.
        claim: claims the messages that are due, for this process to send.
        resend: makes the messages of unclaimed work due again, ``RETRY`` seconds later.

    Raises:
        DatabaseUnavailable: the database does not answer.
    """
    with database.transaction() as connection:
        due = claim(connection)
    if not due:
        return
    try:
        send_messages(queue, due)
    except NotSent as error:
        _logger.warning("%s %d messages are sent again soon.", error, len(due))
        with database.transaction() as connection:
            resend(connection)
