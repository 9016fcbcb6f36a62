"""Streaming video on one machine: a worker process for each stream processor that is active."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from local.queues import STREAMS
from local.workers import Workforce

if TYPE_CHECKING:
    from facedex.store.database import Connection

# Beyond it, streams wait for others to be handed over.
_MOST: Final = 4


def workforce() -> Workforce:
    """As many workers as there are active stream processors, up to a limit."""
    from facedex.store import stream_runs

    most = int(os.environ.get("FACEDEX_STREAM_WORKERS") or _MOST)

    def wanted(connection: Connection) -> int:
        return min(most, stream_runs.count_active(connection))

    # Live comes before stored video, and after requests.
    return Workforce("run_stream_processor", STREAMS, 5, wanted, stream_runs.send_again)
