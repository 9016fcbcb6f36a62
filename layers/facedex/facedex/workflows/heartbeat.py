"""The heartbeat of a worker: a thread that extends its lease while the work makes progress."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from enum import Enum, auto
from time import monotonic
from typing import Final, Self

from facedex.runtime.logs import get_logger
from facedex.store import stream_runs, tasks
from facedex.store.database import Connection, Database
from facedex.store.store_errors import DatabaseUnavailable, LeaseLost
from facedex.store.stream_runs import Checkpoint, RunLease
from facedex.store.tasks import TaskLease

STREAM_LEASE_SECONDS: Final = 5.0  # until a stream worker's lease expires without an extension
_STREAM_INTERVAL: Final = 1.0  # seconds between two extensions
# Seconds without progress after which the heartbeat no longer extends the lease.
_STREAM_PATIENCE: Final = 60.0
_VIDEO_INTERVAL: Final = tasks.LEASE_SECONDS / 6
_VIDEO_PATIENCE: Final = _VIDEO_INTERVAL

_logger: Final = get_logger(__name__)


class Extended(Enum):
    """The consequence of a lease's extension for the work."""

    CONTINUE = auto()
    STOP = auto()  # the owner has requested a stop; pending results may still be written
    OVER = auto()  # the lease has ended


_EXTENDED: Final = {"RUNNING": Extended.CONTINUE, "STOPPING": Extended.STOP}


class Heartbeat:
    """A context in which a thread extends a lease while the work makes progress.

    Args:
        database: where the lease is.
        what: description of the work, for the log.
        extend: extends the lease, in a transaction; raises LeaseLost if the lease is lost.
        lease_seconds: seconds from an extension until the lease expires.
        interval: seconds between two extensions.
        patience: seconds without progress after which the lease is left to expire.
    """

    def __init__(
        self,
        database: Database,
        what: str,
        extend: Callable[[Connection], Extended],
        *,
        lease_seconds: float,
        interval: float,
        patience: float,
    ) -> None:
        self._database, self._what, self._extend = database, what, extend
        self._lease_seconds, self._interval, self._patience = lease_seconds, interval, patience
        self._last = Extended.CONTINUE
        self._changing_lease = threading.Lock()
        self._progressed_at = monotonic()
        self._expires_at = self._progressed_at + lease_seconds
        self._ended = threading.Event()
        # In the context of the invocation: its deadline bounds the waits for the database.
        self._thread = threading.Thread(
            target=copy_context().run, args=(self._run,), name="heartbeat", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def holds_lease(self) -> bool:
        """True while the lease is this worker's, so that it may write.

        A lost lease does not come back, even if an extension that was in progress succeeds after
        it has expired: other threads may have stopped because of the loss.
        """
        with self._changing_lease:
            return self._check_lease()

    def _check_lease(self) -> bool:
        if monotonic() >= self._expires_at:
            self._last = Extended.OVER
        return self._last is not Extended.OVER

    def report_progress(self) -> bool:
        """Record that the work makes progress.

        Returns:
            True to continue; False if the owner has requested a stop.

        Raises:
            LeaseLost: if another worker has taken over the work, or the work has ended.
        """
        self._progressed_at = monotonic()
        if not self.holds_lease:
            raise LeaseLost("Another worker has taken over the work, or the work has ended.")
        return self._last is Extended.CONTINUE

    def _run(self) -> None:
        while not self._ended.wait(self._interval):
            idle = monotonic() - self._progressed_at
            if self.holds_lease and idle <= self._patience:
                self._beat()
            if self.holds_lease:
                continue
            if idle > self._patience:
                _logger.error(
                    "The work on %s made no progress for %.0f seconds; another worker will take it"
                    " over.",
                    self._what,
                    idle,
                )
            return

    def _beat(self) -> None:
        try:
            began = monotonic()
            with self._database.transaction() as connection:
                extended = self._extend(connection)
            with self._changing_lease:
                if self._check_lease():
                    self._expires_at = began + self._lease_seconds
                    self._last = extended
        except LeaseLost:
            self._last = Extended.OVER
        except DatabaseUnavailable as error:
            _logger.warning("The lease on %s could not be extended: %s", self._what, error)
        except Exception:
            _logger.exception("The lease on %s could not be extended.", self._what)


class VideoHeartbeat(Heartbeat):
    """The heartbeat of a worker on a task of a video job."""

    def __init__(self, database: Database, lease: TaskLease) -> None:
        def extend(connection: Connection) -> Extended:
            tasks.extend_lease(connection, lease)
            return Extended.CONTINUE

        super().__init__(
            database,
            f"task {lease.task.number} of the video job {lease.task.job_id}",
            extend,
            lease_seconds=tasks.LEASE_SECONDS,
            interval=_VIDEO_INTERVAL,
            patience=_VIDEO_PATIENCE,
        )

    def __call__(self, _timestamp: int) -> None:
        """Record that the work has reached a time of the film.

        Raises:
            LeaseLost: if another worker has the task, or its job is over.
        """
        self.report_progress()


class StreamHeartbeat(Heartbeat):
    """The heartbeat of a stream processor's worker, which also stores its checkpoints.

    Attributes:
        checkpoint: the latest checkpoint, which the next extension stores.
    """

    def __init__(self, database: Database, lease: RunLease) -> None:
        self.checkpoint: Checkpoint | None = None
        self._name = lease.processor.name
        self._troubles: dict[str, str] = {}
        self._changing = threading.Lock()

        def extend(connection: Connection) -> Extended:
            trouble = " ".join(self._troubles.values()) or None
            status = stream_runs.extend_lease(
                connection, lease, STREAM_LEASE_SECONDS, self.checkpoint, trouble=trouble
            )
            return _EXTENDED.get(status, Extended.OVER)

        super().__init__(
            database,
            f"the stream processor {self._name}",
            extend,
            lease_seconds=STREAM_LEASE_SECONDS,
            interval=_STREAM_INTERVAL,
            patience=_STREAM_PATIENCE,
        )

    def set_trouble(self, subject: str, trouble: str | None) -> None:
        """Set or clear a problem, which the owner sees in the processor's StatusMessage.

        Args:
            subject: the part that has the problem; each part has at most one.
            trouble: the problem as a sentence; None if it is solved.
        """
        if not trouble and subject not in self._troubles:
            return
        with self._changing:
            known = self._troubles.get(subject)
            others = {each: text for each, text in self._troubles.items() if each != subject}
            # A new dictionary, as the heartbeat may be reading the old one.
            self._troubles = others | ({subject: trouble} if trouble else {})
        if trouble and trouble != known:
            _logger.warning("%s: %s", self._name, trouble)
