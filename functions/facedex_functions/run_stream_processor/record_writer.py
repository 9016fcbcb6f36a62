"""The writer of records to the data stream: a thread that batches and retries them, in order.

The partition key of all records is the processor's name, so they are in one shard, in the order in
which they were written. Only a record that was rejected and retried may follow later ones.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from time import monotonic
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from facedex.runtime.logs import get_logger
from facedex.store.stream_runs import Checkpoint
from facedex.workflows.heartbeat import StreamHeartbeat

# Limits of PutRecords: https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html
_MOST_RECORDS: Final = 500
_MOST_BYTES: Final = 5_000_000
_MOST_WAITING: Final = 1000  # maximum number of queued records
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 5.0  # seconds
_PATIENCE: Final = 60.0  # seconds without an accepted record after which the writer fails
# The same if AWS responds that the stream is missing or access is denied: that may be out of date.
_BRIEF_PATIENCE: Final = 15.0
_TRANSIENT: Final = frozenset(
    {
        "InternalFailure",
        "InternalFailureException",
        "KMSThrottlingException",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestTimeout",
        "ServiceUnavailable",
        "Throttling",
        "ThrottlingException",
    }
)

_logger: Final = get_logger(__name__)


class WritingFailed(Exception):
    """The data stream accepts no records; the message is a sentence for the processor's owner.

    Attributes:
        transient: whether the cause may be temporary.
    """

    def __init__(self, message: str, *, transient: bool) -> None:
        super().__init__(message)
        self.transient = transient


class RecordWriter:
    """Writes records until the block ends, and passes completed checkpoints to the heartbeat.

    Args:
        client: boto3's Kinesis client.
        stream_arn: ARN of the data stream.
        partition_key: partition key of all records.
        heartbeat: the worker's heartbeat; nothing is written after its lease is lost.
    """

    def __init__(
        self, client: Any, stream_arn: str, partition_key: str, heartbeat: StreamHeartbeat
    ) -> None:
        self._client, self._stream_arn, self._key = client, stream_arn, partition_key
        self._heartbeat = heartbeat
        self._changed = threading.Condition()
        self._waiting: deque[bytes | Checkpoint] = deque()
        self._busy = False
        self._ended = threading.Event()
        self._error: WritingFailed | None = None
        self._thread = threading.Thread(target=self._run, name="record writer", daemon=True)

    def __enter__(self) -> RecordWriter:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        with self._changed:
            self._changed.notify_all()
        self._thread.join()

    def check(self) -> None:
        """Raise the error that ended the writing, if any.

        Raises:
            WritingFailed: if the data stream accepts no records.
        """
        if self._error:
            raise self._error

    def enqueue(self, item: bytes | Checkpoint, seconds: float) -> bool:
        """Queue a record, or a checkpoint that is complete when the records before it are written.

        Args:
            item: the record or checkpoint.
            seconds: seconds to wait for space in the queue.

        Returns:
            False if there was no space or the writing has failed.
        """
        with self._changed:
            room = self._changed.wait_for(
                lambda: len(self._waiting) < _MOST_WAITING or self._error, seconds
            )
            if not room or self._error:
                return False
            self._waiting.append(item)
            self._changed.notify_all()
            return True

    def flush(self, seconds: float, *, stopping: bool) -> None:
        """Wait until everything is written.

        Args:
            seconds: seconds to wait.
            stopping: whether the run is stopping, so that unwritten records may be dropped.

        Raises:
            WritingFailed: if records remain unwritten in time and the run is not stopping.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._error or not (self._waiting or self._busy), seconds
            )
            unwritten = self._waiting or self._busy
        if unwritten and not stopping:
            raise self._error or WritingFailed(
                f"The data stream {self._stream_arn} did not accept all records in time.",
                transient=True,
            )

    def _run(self) -> None:
        try:
            while (batch := self._next_batch()) is not None:
                records, checkpoint = batch
                if records and not self._write(records):
                    return
                if checkpoint is not None:
                    self._heartbeat.checkpoint = checkpoint
                with self._changed:
                    self._busy = False
                    self._changed.notify_all()
        except WritingFailed as error:
            self._fail(error)
        except Exception:
            _logger.exception("Records could not be written.")
            self._fail(WritingFailed("Records could not be written.", transient=True))

    def _fail(self, error: WritingFailed) -> None:
        with self._changed:
            self._error = error
            self._changed.notify_all()

    def _next_batch(self) -> tuple[list[bytes], Checkpoint | None] | None:
        """Return the queued items that fit into one request; None when the block ends."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ended.is_set())
            if self._ended.is_set():
                return None
            records: list[bytes] = []
            checkpoint = None
            size = 0
            while self._waiting and len(records) < _MOST_RECORDS:
                item = self._waiting[0]
                if isinstance(item, Checkpoint):
                    checkpoint = item
                else:
                    size += len(item) + len(self._key)
                    if size > _MOST_BYTES and records:
                        break
                    records.append(item)
                self._waiting.popleft()
            self._busy = True
            self._changed.notify_all()
            return records, checkpoint

    def _write(self, records: list[bytes]) -> bool:
        """Put records until all are accepted; return False if the lease is lost or the block ends.

        Raises:
            WritingFailed: if the stream does not accept them.
        """
        since, pause = monotonic(), _FIRST_PAUSE
        while self._heartbeat.holds_lease and not self._ended.is_set():
            refused, code, message = self._put_once(records)
            if not refused:
                self._heartbeat.set_trouble("output", None)
                return True
            if len(refused) < len(records):
                since, pause = monotonic(), _FIRST_PAUSE
            records = refused
            transient = code in _TRANSIENT
            trouble = f"The data stream {self._stream_arn} accepts no records: {code}: {message}"
            if monotonic() - since > (_PATIENCE if transient else _BRIEF_PATIENCE):
                raise WritingFailed(trouble, transient=transient)
            self._heartbeat.set_trouble("output", trouble)
            self._ended.wait(pause * random.uniform(0.5, 1))  # noqa: S311 - not a secret
            pause = min(2 * pause, _LONGEST_PAUSE)
        return False

    def _put_once(self, records: list[bytes]) -> tuple[list[bytes], str, str]:
        """Put records once; return the rejected ones, the error code and its message."""
        try:
            response = self._client.put_records(
                StreamARN=self._stream_arn,
                Records=[{"Data": record, "PartitionKey": self._key} for record in records],
            )
        except ClientError as error:
            details = error.response.get("Error", {})
            return records, details.get("Code", "Unknown"), details.get("Message", "")
        except BotoCoreError as error:
            return records, "ServiceUnavailable", str(error)
        refused = [
            (record, each)
            for record, each in zip(records, response["Records"], strict=True)
            if each.get("ErrorCode")
        ]
        if not refused:
            return [], "", ""
        first = refused[0][1]
        return (
            [record for record, _ in refused],
            first["ErrorCode"],
            first.get("ErrorMessage", ""),
        )
