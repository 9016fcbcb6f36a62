"""Messages that are due by the database: sent now, or again soon."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from facedex.aws.notifications import NotSent, send_messages
from facedex.store.database import Connection, Database

_logger: Final = logging.getLogger(__name__)

RETRY: Final = 10  # seconds until messages are sent again that the queue did not take


def send_due(
    database: Database,
    queue: str,
    claim: Callable[[Connection], Sequence[Mapping[str, Any]]],
    send_again: Callable[[Connection], None],
) -> None:
    """Send the messages that are due.

    What does not get to the queue, or is lost on the way, the next sweep sends again.

    Args:
        queue: URL of the queue.
        claim: takes the messages that are due for this process to send.
        send_again: has every message that nobody works on sent again, ``RETRY`` seconds later.

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
            send_again(connection)
