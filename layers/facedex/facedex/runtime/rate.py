"""A limit on the rate of requests, so that clients can test how they back off.

The limit applies to all callers and operations together, as Rekognition's quotas apply to an
account. It is shared by the server processes of one machine. A deployment does not use it: there,
API Gateway throttles.
"""

from __future__ import annotations

import fcntl
import mmap
import time
from collections.abc import Callable
from pathlib import Path
from struct import Struct
from threading import Lock
from typing import Final

from facedex.api.errors import ProvisionedThroughputExceededException, ThrottlingException

# A bucket: how many tokens are missing, and when that was so, in seconds of the monotonic clock,
# which all processes of a machine share.
_BUCKET: Final = Struct("<2d")
_SIZE: Final = 2 * _BUCKET.size
# Requests above this multiple of the rate count as a sudden increase.
_SUDDEN: Final = 2
_EXACT: Final = 1e-9  # tolerance for sums of floating-point numbers


def prepare(file: Path) -> None:
    """Create the file that the processes share, with full buckets."""
    file.write_bytes(bytes(_SIZE))


class RateLimit:
    """A token bucket in a file that several processes map into memory.

    A request takes a token. Tokens come back at the rate, up to one second's worth (at least one),
    which is therefore the largest burst. Refused requests take no token.

    Args:
        rate: requests per second.
        file: see :func:`prepare`.
        clock: returns the time in seconds.
    """

    def __init__(
        self, rate: float, file: Path, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate, self._clock = rate, clock
        self._burst = max(1.0, rate)
        self._lock = Lock()
        self._file = file.open("r+b")
        self._memory = mmap.mmap(self._file.fileno(), _SIZE)

    def take(self) -> None:
        """Take a token for a request.

        Raises:
            ProvisionedThroughputExceededException: if there is none.
            ThrottlingException: if there is none, and more than twice the rate is requested.
        """
        with self._lock:
            # The system releases the lock of a process that dies.
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                now = self._clock()
                allowed = self._take(0, self._burst, now)
                expected = self._take(_BUCKET.size, _SUDDEN * self._burst, now)
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)
        if allowed:
            return
        limit = f"This server was started with --rate {self._rate:g}."
        if expected:
            raise ProvisionedThroughputExceededException(limit)
        raise ThrottlingException(limit)

    def _take(self, place: int, burst: float, now: float) -> bool:
        missing: float
        since: float
        missing, since = _BUCKET.unpack_from(self._memory, place)
        rate = self._rate * burst / self._burst
        missing = max(0.0, missing - max(0.0, now - since) * rate)
        there = missing + 1 <= burst + _EXACT
        _BUCKET.pack_into(self._memory, place, missing + there, now)
        return there

    def close(self) -> None:
        """Release the file."""
        self._memory.close()
        self._file.close()
