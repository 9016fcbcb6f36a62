"""A plain consumer of a Kinesis data stream: every shard, from now on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from facedex_cli.stream_errors import StreamError

_POLL: Final = 0.25  # seconds; a shard may be asked five times in a second
_SHARDS: Final = 30.0  # seconds between looks for new shards
_FAILED: Final = 2.0  # seconds until a service that failed is asked again
_GONE: Final = ("ResourceNotFoundException", "AccessDeniedException")


class Consumer:
    """Reads a data stream.

    Args:
        client: boto3's, for Kinesis.
        stream: name of the data stream.
    """

    def __init__(self, client: Any, stream: str) -> None:
        self._client = client
        self._stream = stream
        self._iterators: dict[str, str] = {}
        self._known: set[str] = set()

    def records(self) -> Iterator[list[bytes]]:
        """What comes, again and again; an empty list where nothing has.

        Raises:
            StreamError: if the stream is gone.
        """
        looked = -_SHARDS
        while True:
            try:
                if time.monotonic() - looked >= _SHARDS:
                    self._find_shards()
                    looked = time.monotonic()
                came = [data for shard in list(self._iterators) for data in self._read(shard)]
            except ClientError as error:
                said = error.response["Error"]
                if said.get("Code") in _GONE:
                    message = f"The data stream {self._stream} cannot be read: {said['Message']}"
                    raise StreamError(message) from None
                came, looked = [], -_SHARDS
                time.sleep(_FAILED)
            except BotoCoreError:
                came, looked = [], -_SHARDS
                time.sleep(_FAILED)
            yield came
            if not came:
                time.sleep(_POLL)

    def _find_shards(self) -> None:
        first = not self._known
        shards = self._client.list_shards(StreamName=self._stream)["Shards"]
        for shard in shards:
            name = shard["ShardId"]
            if name not in self._known:
                # A shard that came with a split has what was written since.
                kind = "LATEST" if first else "TRIM_HORIZON"
                self._iterators[name] = self._iterator(name, kind)
        self._known |= {shard["ShardId"] for shard in shards}

    def _iterator(self, shard: str, kind: str) -> str:
        answer = self._client.get_shard_iterator(
            StreamName=self._stream, ShardId=shard, ShardIteratorType=kind
        )
        iterator: str = answer["ShardIterator"]
        return iterator

    def _read(self, shard: str) -> list[bytes]:
        try:
            answer = self._client.get_records(ShardIterator=self._iterators[shard], Limit=1000)
        except self._client.exceptions.ExpiredIteratorException:
            self._iterators[shard] = self._iterator(shard, "LATEST")
            return []
        if following := answer.get("NextShardIterator"):
            self._iterators[shard] = following
        else:
            del self._iterators[shard]
        return [record["Data"] for record in answer["Records"]]
