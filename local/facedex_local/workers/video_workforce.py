"""Stored video on one machine: worker processes that do what is in its queue."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from facedex.setting_reader import Reader
from facedex_local.workers.processes import Workforce
from facedex_local.workers.queues import VIDEO

if TYPE_CHECKING:
    from facedex.store.database import Connection


def workforce() -> Workforce:
    """As many workers as cores, from the first job on.

    Raises:
        SettingError: if FACEDEX_VIDEO_WORKERS is invalid.
    """
    from facedex.settings import settings
    from facedex.store import tasks

    most = Reader(os.environ).whole("FACEDEX_VIDEO_WORKERS", os.cpu_count() or 1, least=0)
    servers = settings().servers("S3")
    started = False

    def wanted(connection: Connection) -> int:
        nonlocal started
        started = started or tasks.any_unfinished(connection, servers=servers)
        return most if started else 0

    return Workforce(
        "search_video_segment", VIDEO, 10, wanted, tasks.resend_messages, tasks.release_leases_of
    )
