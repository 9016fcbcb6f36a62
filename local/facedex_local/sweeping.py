"""The server's background tasks: they complete interrupted work."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from facedex_local.background import running

_logger = logging.getLogger("facedex")

_SWEEP: Final = 5.0  # seconds between searches for interrupted deletions and video tasks
_REVIVE: Final = 1.0  # the same for streams, where a delay loses media, and for the audit log


@contextmanager
def sweeping() -> Iterator[None]:
    """Complete interrupted deletions and restart interrupted video work while the block runs."""
    from facedex.runtime import services
    from facedex.settings import settings
    from facedex.store import audit_upkeep, collections, copies
    from facedex.workflows import live_video, stored_video

    def sweep() -> None:
        collections.sweep(services.database(), seconds=_SWEEP)
        copies.prune(services.database())
        stored_video.sweep(services.database(), settings())
        audit_upkeep.prune(services.database(), settings().audit_days)

    def revive() -> None:
        audit_upkeep.chain_all(services.database())
        live_video.sweep(services.database(), settings())

    with _repeating("sweep", sweep, every=_SWEEP), _repeating("revive", revive, every=_REVIVE):
        yield


@contextmanager
def _repeating(name: str, act: Callable[[], None], *, every: float) -> Iterator[None]:
    """Call ``act`` every few seconds, in a thread, while the block runs."""
    from facedex.store.store_errors import DatabaseUnavailable

    def repeat(ended: threading.Event) -> None:
        while not ended.wait(every):
            try:
                act()
            except DatabaseUnavailable:
                continue
            except Exception:
                # The next call may succeed; without it, interrupted work would never be resumed.
                _logger.exception("The background task %r failed; it will be repeated.", name)

    with running(name, repeat):
        yield
