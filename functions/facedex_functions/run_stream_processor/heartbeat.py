"""A worker's sign of life, given beside its work; what it learns thereby of its owner's wishes."""

from __future__ import annotations

import logging
import threading
from time import monotonic
from typing import Final

from facedex.store import stream_runs
from facedex.store.database import Database
from facedex.store.errors import DatabaseUnavailable, LeaseLost
from facedex.store.stream_runs import Checkpoint, Lease

LEASE: Final = 5.0  # seconds that a worker may be silent
_BEAT: Final = 1.0  # seconds between two signs
# Seconds after which work that does not get on counts as dead, though this thread lives.
_PATIENCE: Final = 60.0

_logger: Final = logging.getLogger(__name__)


class Heartbeat:
    """Extends a lease each second, with how far the work is, while the block runs.

    Attributes:
        checkpoint: what is in the data stream, for the next sign.
    """

    def __init__(self, database: Database, lease: Lease) -> None:
        self.checkpoint: Checkpoint | None = None
        self._database, self._lease = database, lease
        self._troubles: dict[str, str] = {}
        self._noting = threading.Lock()
        self._status = "RUNNING"
        self._worked = monotonic()
        self._until = self._worked + LEASE
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def holds(self) -> bool:
        """Whether the work is still this worker's, so that it may write."""
        return self._status in ("RUNNING", "STOPPING") and monotonic() < self._until

    def check(self) -> bool:
        """Say that the work gets on, and ask whether to go on; False if its owner stops it.

        Raises:
            LeaseLost: it is another's by now, or over.
        """
        self._worked = monotonic()
        if not self.holds:
            raise LeaseLost("The stream is another worker's by now, or its run is over.")
        return self._status == "RUNNING"

    def note(self, about: str, trouble: str | None) -> None:
        """Have the owner told what the work waits for, in the processor's StatusMessage.

        Args:
            about: what has the trouble; of each, the latest is told.
            trouble: a sentence; None once it is over.
        """
        if not trouble and about not in self._troubles:
            return
        with self._noting:
            known = self._troubles.get(about)
            others = {each: said for each, said in self._troubles.items() if each != about}
            # Another one, never changed: the heart may be reading it.
            self._troubles = others | ({about: trouble} if trouble else {})
        if trouble and trouble != known:
            _logger.warning("%s: %s", self._lease.processor.name, trouble)

    def _run(self) -> None:
        while not self._ended.wait(_BEAT):
            if monotonic() - self._worked > _PATIENCE:
                _logger.error("The work on a stream hangs; another worker will take it over.")
                return
            try:
                began = monotonic()
                trouble = " ".join(self._troubles.values()) or None
                with self._database.transaction() as connection:
                    status = stream_runs.beat(
                        connection, self._lease, LEASE, self.checkpoint, trouble=trouble
                    )
                self._until = began + LEASE
                self._status = status
            except LeaseLost:
                self._status = "LOST"
            except DatabaseUnavailable as error:
                _logger.warning("%s", error)
            except Exception:
                _logger.exception("A sign of life could not be given.")
            if not self.holds:
                return
