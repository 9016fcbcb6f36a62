"""What workers of an earlier run held when their server was killed."""

from __future__ import annotations

import logging
from typing import Final

_logger: Final = logging.getLogger("facedex")


def release_leases() -> None:
    """Release the leases of workers of an earlier run, which have ended with their server.

    Only this process's workers use the embedded database.
    """
    from facedex.runtime import services
    from facedex.store import stream_runs, tasks
    from facedex.store.store_errors import DatabaseUnavailable

    try:
        with services.database().transaction() as connection:
            tasks.release_all_leases(connection)
            stream_runs.release_all_leases(connection)
    except DatabaseUnavailable as error:
        _logger.warning("Work of an earlier run continues when its leases expire: %s", error)
