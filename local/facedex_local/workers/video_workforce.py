"""Stored video on one machine: worker processes for its queue."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from facedex_local.workers.processes import Workforce
from facedex_local.workers.queues import VIDEO

if TYPE_CHECKING:
    from facedex.store.database import Connection


def workforce() -> Workforce:
    """Return the workers for stored video: one for each core, from the first job on."""
    from facedex.store import tasks

    count = int(os.environ.get("FACEDEX_VIDEO_WORKERS") or os.cpu_count() or 1)
    started = False

    def wanted(connection: Connection) -> int:
        nonlocal started
        started = started or tasks.any_unfinished(connection)
        return most if started else 0

    return Workforce(
        "search_video_segment", VIDEO, 10, wanted, tasks.resend_messages, tasks.release_leases_of
    )
