"""A simple consumer of a Kinesis data stream: new records of all shards."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from facedex_cli.stream_errors import StreamError

_POLL: Final = 0.25  # seconds; a shard allows five reads per second
_SHARDS: Final = 30.0  # seconds between searches for new shards
_FAILED: Final = 2.0  # seconds to wait after an error of the service
_GONE: Final = ("ResourceNotFoundException", "AccessDeniedException")


@dataclass(frozen=True, slots=True)
class Record:
    """A record of a data stream.

    Attributes:
        key: its partition key.
        data: its content.
    """

    key: str
    data: bytes


class Consumer:
    """Read a data stream.

    Args:
        client: boto3's client for Kinesis.
        stream: name of the data stream.
    """

    def __init__(self, client: Any, stream: str) -> None:
        self._client = client
        self._stream = stream
        self._iterators: dict[str, str] = {}
        self._known: set[str] = set()

    def records(self) -> Iterator[list[Record]]:
        """Yield new records, without end; an empty list if there are none.

        Raises:
            StreamError: if the stream does not exist any more or may not be read.
        """
        searched = -_SHARDS
        while True:
            try:
                if time.monotonic() - searched >= _SHARDS:
                    self._find_shards()
                    searched = time.monotonic()
                new = [each for shard in list(self._iterators) for each in self._read(shard)]
            except ClientError as error:
                details = error.response["Error"]
                if details.get("Code") in _GONE:
                    message = f"The data stream {self._stream} cannot be read: {details['Message']}"
                    raise StreamError(message) from None
                new, searched = [], -_SHARDS
                time.sleep(_FAILED)
            except BotoCoreError:
                new, searched = [], -_SHARDS
                time.sleep(_FAILED)
            yield new
            if not new:
                time.sleep(_POLL)

    def _find_shards(self) -> None:
        first = not self._known
        shards = self._client.list_shards(StreamName=self._stream)["Shards"]
        for shard in shards:
            name = shard["ShardId"]
            if name not in self._known:
                # A new shard, after a split, is read from its beginning.
                kind = "LATEST" if first else "TRIM_HORIZON"
                self._iterators[name] = self._iterator(name, kind)
        self._known |= {shard["ShardId"] for shard in shards}

    def _iterator(self, shard: str, kind: str) -> str:
        answer = self._client.get_shard_iterator(
            StreamName=self._stream, ShardId=shard, ShardIteratorType=kind
        )
        iterator: str = answer["ShardIterator"]
        return iterator

    def _read(self, shard: str) -> list[Record]:
        try:
            answer = self._client.get_records(ShardIterator=self._iterators[shard], Limit=1000)
        except self._client.exceptions.ExpiredIteratorException:
            self._iterators[shard] = self._iterator(shard, "LATEST")
            return []
        if following := answer.get("NextShardIterator"):
            self._iterators[shard] = following
        else:
            del self._iterators[shard]
        return [Record(each["PartitionKey"], each["Data"]) for each in answer["Records"]]
