"""Stream processors through real clients, which push a video as a live stream and read records."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from facedex_cli.push.session import PutMedia
from tests.media.kinesis import CREDENTIALS, REGION, matroska

if TYPE_CHECKING:
    from tests.conftest import Server

PATIENCE = 120.0  # seconds; a loaded machine is slow
ROLE = "arn:aws:iam::123456789012:role/AmazonRekognition"
NO_VIDEO = f"arn:aws:kinesisvideo:{REGION}:123456789012:stream/nowhere/1767268800000"
NO_DATA = f"arn:aws:kinesis:{REGION}:123456789012:stream/nowhere"


def definition(
    name: str, collection: str, *, video: str = NO_VIDEO, data: str = NO_DATA
) -> dict[str, Any]:
    """Return a request to create a processor, by default between streams that do not exist."""
    return {
        "Name": name,
        "Input": {"KinesisVideoStream": {"Arn": video}},
        "Output": {"KinesisDataStream": {"Arn": data}},
        "RoleArn": ROLE,
        "Settings": {"FaceSearch": {"CollectionId": collection, "FaceMatchThreshold": 80}},
    }


def processors(server: Server) -> set[str]:
    """Return the names of all stream processors."""
    paginator = server.client("rekognition").get_paginator("list_stream_processors")
    return {each["Name"] for page in paginator.paginate() for each in page["StreamProcessors"]}


def remove(server: Server, names: Iterable[str]) -> None:
    """Stop and delete stream processors."""
    client = server.client("rekognition")

    def gone(name: str) -> bool:
        with suppress(client.exceptions.ResourceInUseException):
            client.delete_stream_processor(Name=name)
            return True
        with suppress(client.exceptions.ResourceInUseException):
            client.stop_stream_processor(Name=name)
        return False

    for name in names:
        until(partial(gone, name))


class Scene:
    """A video stream, a data stream, and a processor between them.

    server: the running server, which creates clients.
    """

    def __init__(self, server: Any, collection: str, *, video_arn: str = "") -> None:
        self.server = server
        self.rekognition = server.client("rekognition")
        self.video, self.kinesis = server.client("kinesisvideo"), server.client("kinesis")
        self.name = f"door-{uuid4().hex}"
        self.video_arn = video_arn or self.make_video_stream()
        self.kinesis.create_stream(StreamName=self.name, ShardCount=1)
        described = self.kinesis.describe_stream_summary(StreamName=self.name)
        self.data_arn = described["StreamDescriptionSummary"]["StreamARN"]
        self.rekognition.create_stream_processor(
            **definition(self.name, collection, video=self.video_arn, data=self.data_arn)
        )
        self._iterator = self._first_iterator()

    def make_video_stream(self) -> str:
        made = self.video.create_stream(StreamName=self.name, DataRetentionInHours=1)
        return str(made["StreamARN"])

    def describe(self) -> Any:
        return self.rekognition.describe_stream_processor(Name=self.name)

    def start(self) -> None:
        self.rekognition.start_stream_processor(Name=self.name)

    def wait(self, status: str, seconds: float = PATIENCE) -> Any:
        """Wait until the processor has a status, and return its description."""
        until(lambda: self.describe()["Status"] == status, seconds)
        return self.describe()

    def stop(self) -> None:
        """Stop the processor if it is running, and wait until it has stopped."""
        if self.describe()["Status"] not in ("STOPPED", "FAILED"):
            self.rekognition.stop_stream_processor(Name=self.name)
            self.wait("STOPPED")

    def push(self, film: bytes, *, start: float | None = None, pace: bool = True) -> float:
        """Send a video in real time, and return its start in seconds since 1970."""
        began = time.time() if start is None else start
        head, clusters = matroska(film, start=round(began * 1000))
        with self.producing() as producer:
            for _ in producer.send(head):
                pass
            for number, cluster in enumerate(clusters):
                due = began + number if pace else 0
                time.sleep(max(0.0, due - time.time()))
                for _ in producer.send(cluster):
                    pass
        return began

    def open_producer(self) -> PutMedia:
        endpoint = self.video.get_data_endpoint(StreamARN=self.video_arn, APIName="PUT_MEDIA")
        return PutMedia(endpoint["DataEndpoint"], self.name, CREDENTIALS, REGION)

    @contextmanager
    def producing(self) -> Iterator[PutMedia]:
        """Open a PutMedia session that ends after the last acknowledgement."""
        producer = self.open_producer()
        try:
            yield producer
            for _ in producer.finish():
                pass
        finally:
            producer.close()

    def records(self) -> list[Any]:
        """Return the records written since the last call."""
        return [record for batch in self.batches() for record in batch]

    def batches(self) -> Iterator[list[Any]]:
        """Yield the records written since the last call, one GetRecords response at a time."""
        while True:
            answer = self.kinesis.get_records(ShardIterator=self._iterator)
            self._iterator = answer["NextShardIterator"]
            if not answer["Records"]:
                return
            yield [json.loads(each["Data"]) for each in answer["Records"]]

    def collect(self, enough: Callable[[list[Any]], bool], seconds: float = PATIENCE) -> list[Any]:
        """Read records until there are enough, and return them."""
        found: list[Any] = []

        def more() -> bool:
            found.extend(self.records())
            return enough(found)

        until(more, seconds)
        return found

    def _first_iterator(self) -> str:
        shard = self.kinesis.list_shards(StreamName=self.name)["Shards"][0]["ShardId"]
        answer = self.kinesis.get_shard_iterator(
            StreamName=self.name, ShardId=shard, ShardIteratorType="TRIM_HORIZON"
        )
        return str(answer["ShardIterator"])


def until(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it has not come to that"
        time.sleep(0.1)


def moment(record: Any) -> float:
    """Return the time of a record's frame, in seconds since 1970."""
    place = record["InputInformation"]["KinesisVideo"]
    return float(place["ProducerTimestamp"] + place["FrameOffsetInSeconds"])


def names(records: Sequence[Any]) -> set[str]:
    """Return the names of all matches in records."""
    return {name for record in records for name in named(record)}


def named(record: Any) -> set[str]:
    return {
        match["Face"]["ExternalImageId"]
        for face in record["FaceSearchResponse"]
        for match in face["MatchedFaces"]
    }


def workers(server: Server, function: str = "run_stream_processor") -> list[int]:
    """Return the server's worker processes for a function."""
    from tests.processes import children

    return [each.pid for each in children(server.process.pid, function)]


def kill(pids: Iterable[int]) -> None:
    """Kill processes; one that has ended since it was listed is left out."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
