"""A change to moto's Kinesis data streams that limits their memory and makes them thread-safe.

Unchanged, moto keeps every record for ever, iterates over all records to add one, and fails when a
thread reads a shard while another writes to it.
"""

from __future__ import annotations

import threading
import time
from functools import wraps
from typing import Any, Final

_MOST_BYTES: Final = 32 << 20  # of base64, in a shard
_MOST_SECONDS: Final = 24 * 3600  # the default retention period of a data stream


def bound_records(*, most_bytes: int = _MOST_BYTES, seconds: float = _MOST_SECONDS) -> None:
    """Change moto's shards to drop their oldest records, and to hold a lock during each call.

    Args:
        most_bytes: the maximum size of a shard; the newest record is always kept.
        seconds: the maximum age of a record.
    """
    from moto.kinesis import models

    shards: Any = models.Shard
    record: Any = models.Record
    # One lock is enough for all shards, because each call is short.
    lock = threading.RLock()

    def put(shard: Any, partition_key: str, data: str, explicit_hash_key: str) -> str:
        records = shard.records
        # A shard created by a split or a merge has no size yet.
        held = len(data) + (shard.held_bytes if records else 0)
        # Numbers start with the clock, so that a consumer that continues after a record of an
        # earlier process misses no record.
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
