"""Records into the data stream, by a thread of their own: batched, in order, repeated until taken.

All of a processor's records have its name as their partition key, so one shard has them in the
order of their writing; only one that is refused and repeated may come after its successors.
"""

from __future__ import annotations

import logging
import random
import threading
from collections import deque
from time import monotonic
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from facedex.store.stream_runs import Checkpoint
from facedex_functions.run_stream_processor.heartbeat import Heartbeat

# Limits of PutRecords: https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html
_MOST_RECORDS: Final = 500
_MOST_BYTES: Final = 5_000_000
_WAITING: Final = 1000  # records that may wait to be written
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 5.0  # seconds
_PATIENCE: Final = 60.0  # seconds for which a stream may take nothing
# The same where the answer is that it cannot be written to, which may be out of date.
_BRIEF_PATIENCE: Final = 15.0
_PASSING: Final = frozenset(
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

_logger: Final = logging.getLogger(__name__)


class OutputFailed(Exception):
    """The data stream takes no records; the message is a sentence for the processor's owner.

    Attributes:
        passing: whether that may pass by itself.
    """

    def __init__(self, message: str, *, passing: bool) -> None:
        super().__init__(message)
        self.passing = passing


class Output:
    """Writes records, and tells the heartbeat how far everything is written, until the block ends.

    Args:
        client: boto3's, of Kinesis.
        stream_arn: the data stream's.
        partition_key: of every record.
        beat: says whether writing is still allowed.
    """

    def __init__(self, client: Any, stream_arn: str, partition_key: str, beat: Heartbeat) -> None:
        self._client, self._stream_arn, self._key = client, stream_arn, partition_key
        self._beat = beat
        self._changed = threading.Condition()
        self._waiting: deque[bytes | Checkpoint] = deque()
        self._busy = False
        self._ended = threading.Event()
        self._error: OutputFailed | None = None
        self._thread = threading.Thread(target=self._run, name="output", daemon=True)

    def __enter__(self) -> Output:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        with self._changed:
            self._changed.notify_all()
        self._thread.join()

    def check(self) -> None:
        """See that records are taken.

        Raises:
            OutputFailed: they are not, however often it was tried.
        """
        if self._error:
            raise self._error

    def offer(self, item: bytes | Checkpoint, seconds: float) -> bool:
        """Take a record, or what everything before it reaches to; False if there is no room yet.

        Args:
            seconds: to wait for room.
        """
        with self._changed:
            room = self._changed.wait_for(
                lambda: len(self._waiting) < _WAITING or self._error, seconds
            )
            if not room or self._error:
                return False
            self._waiting.append(item)
            self._changed.notify_all()
            return True

    def flush(self, seconds: float, *, stopping: bool) -> None:
        """Wait until everything is written.

        Args:
            stopping: whether nobody asks for what is not written in time.

        Raises:
            OutputFailed: it is not written in time, though somebody does.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._error or not (self._waiting or self._busy), seconds
            )
            left = self._waiting or self._busy
        if left and not stopping:
            raise self._error or OutputFailed(
                f"The data stream {self._stream_arn} takes no records in time.", passing=True
            )

    def _run(self) -> None:
        try:
            while (batch := self._next()) is not None:
                records, checkpoint = batch
                if records and not self._write(records):
                    return
                if checkpoint is not None:
                    self._beat.checkpoint = checkpoint
                with self._changed:
                    self._busy = False
                    self._changed.notify_all()
        except OutputFailed as error:
            self._fail(error)
        except Exception:
            _logger.exception("Records could not be written.")
            self._fail(OutputFailed("Records could not be written.", passing=True))

    def _fail(self, error: OutputFailed) -> None:
        with self._changed:
            self._error = error
            self._changed.notify_all()

    def _next(self) -> tuple[list[bytes], Checkpoint | None] | None:
        """What is waiting, as much as goes into one request; None at the end."""
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
        """Put records until all are taken; False if they must not be written any more.

        Raises:
            OutputFailed: they are not taken.
        """
        since, pause = monotonic(), _FIRST_PAUSE
        while self._beat.holds and not self._ended.is_set():
            left, code, message = self._put(records)
            if not left:
                self._beat.note("output", None)
                return True
            if len(left) < len(records):
                since, pause = monotonic(), _FIRST_PAUSE
            records = left
            passing = code in _PASSING
            trouble = f"The data stream {self._stream_arn} takes no records: {code}: {message}"
            if monotonic() - since > (_PATIENCE if passing else _BRIEF_PATIENCE):
                raise OutputFailed(trouble, passing=passing)
            self._beat.note("output", trouble)
            self._ended.wait(pause * random.uniform(0.5, 1))  # noqa: S311 - not a secret
            pause = min(2 * pause, _LONGEST_PAUSE)
        return False

    def _put(self, records: list[bytes]) -> tuple[list[bytes], str, str]:
        """Put records once; those that were not taken, and why."""
        try:
            answer = self._client.put_records(
                StreamARN=self._stream_arn,
                Records=[{"Data": record, "PartitionKey": self._key} for record in records],
            )
        except ClientError as error:
            said = error.response.get("Error", {})
            return records, said.get("Code", "Unknown"), said.get("Message", "")
        except BotoCoreError as error:
            return records, "ServiceUnavailable", str(error)
        refused = [
            (record, each)
            for record, each in zip(records, answer["Records"], strict=True)
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
