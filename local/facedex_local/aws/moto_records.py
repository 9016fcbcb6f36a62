"""Make moto's Kinesis data streams last: bounded in memory, and safe for several threads.

As it is, moto keeps every record for ever, looks at all of them to add one, and fails to read a
shard that is being written to.
"""

from __future__ import annotations

import threading
import time
from functools import wraps
from typing import Any, Final

_MOST_BYTES: Final = 32 << 20  # of base64, in a shard
_MOST_SECONDS: Final = 24 * 3600  # what a data stream keeps unless it is told to keep more


def bound_records(*, most_bytes: int = _MOST_BYTES, seconds: float = _MOST_SECONDS) -> None:
    """Have moto's shards forget their oldest records, and take a lock for each use.

    Args:
        most_bytes: what a shard holds; the newest record is always held.
        seconds: for how long.
    """
    from moto.kinesis import models

    shards: Any = models.Shard
    record: Any = models.Record
    # Held for a moment, so one lock does for all shards.
    lock = threading.RLock()

    def put(shard: Any, partition_key: str, data: str, explicit_hash_key: str) -> str:
        records = shard.records
        # A shard that was split or merged begins anew.
        held = len(data) + (shard.held_bytes if records else 0)
        # From the clock on: who reads on behind a record of an earlier process misses nothing.
        number: int = next(reversed(records), time.time_ns() // 1000) + 1
        records[number] = record(partition_key, data, number, explicit_hash_key)
        horizon = time.time() - seconds
        while len(records) > 1:
            oldest = next(iter(records.values()))
            if held <= most_bytes and oldest.created_at >= horizon:
                break
            held -= len(oldest.data)
            del records[oldest.sequence_number]
        shard.held_bytes = held
        return str(number)

    shards.put_record = put
    for name in (
        "put_record",
        "get_records",
        "get_min_sequence_number",
        "get_max_sequence_number",
        "get_sequence_number_at",
    ):
        setattr(shards, name, _locked(getattr(shards, name), lock))


def _locked(method: Any, lock: threading.RLock) -> Any:
    @wraps(method)
    def call(*arguments: Any, **named: Any) -> Any:
        with lock:
            return method(*arguments, **named)

    return call
