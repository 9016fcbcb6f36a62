"""Unmodified boto3 reads a producer's media, live or later, and slow clients delay no others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from facedex.media.matroska.matroska_errors import StreamFailed
from facedex_cli.push.session import PutMedia
from tests.media import kinesis, making
from tests.media.fragments import Fragment
from tests.media.kinesis import CREDENTIALS, REGION, acknowledgements, matroska, numbers, put_media

if TYPE_CHECKING:
    from tests.conftest import Server


class Stream:
    """A separate stream for the test, and clients for it."""

    def __init__(self, server: Server, **options: Any) -> None:
        self.name = f"camera-{uuid4().hex}"
        self.client = server.client("kinesisvideo")
        chosen = {"DataRetentionInHours": 1, **options}
        self.arn = self.client.create_stream(StreamName=self.name, **chosen)["StreamARN"]
        self.endpoint = self.client.get_data_endpoint(StreamARN=self.arn, APIName="PUT_MEDIA")[
            "DataEndpoint"
        ]
        reading = self.client.get_data_endpoint(StreamName=self.name, APIName="GET_MEDIA")
        self.media = server.client("kinesis-video-media", endpoint_url=reading["DataEndpoint"])

    def get(self, kind: str = "EARLIEST", **start: Any) -> Any:
        answer = self.media.get_media(
            StreamName=self.name, StartSelector={"StartSelectorType": kind, **start}
        )
        assert answer["ContentType"] == "video/webm"
        return answer["Payload"]

    def read(self, count: int, kind: str = "EARLIEST", **start: Any) -> list[Fragment]:
        """Read the first fragments after a start position, then close the connection."""
        payload = self.get(kind, **start)
        with payload:
            return list(islice(kinesis.read(payload), count))

    def produce(self) -> PutMedia:
        return PutMedia(self.endpoint, self.name, CREDENTIALS, REGION)


@pytest.fixture
def stream(server: Server) -> Iterator[Stream]:
    made = Stream(server)
    yield made
    with suppress(made.client.exceptions.ResourceNotFoundException):
        made.client.delete_stream(StreamARN=made.arn)


@pytest.fixture(scope="module")
def media() -> tuple[bytes, list[bytes]]:
    return matroska(kinesis.numbered_film(), start=1_700_000_000_000)


def eventually(check: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, "it has not come to that"
        time.sleep(0.02)


def test_the_endpoint_is_the_address_that_the_caller_has_used(
    server: Server, stream: Stream
) -> None:
    assert stream.endpoint == server.url
    by_name = server.url.replace("127.0.0.1", "localhost")
    client = server.client("kinesisvideo", endpoint_url=by_name)
    answer = client.get_data_endpoint(StreamName=stream.name, APIName="GET_MEDIA")
    assert answer["DataEndpoint"] == by_name


def test_a_film_comes_back_frame_by_frame_with_the_tags_of_kinesis(
    stream: Stream, media: tuple[bytes, list[bytes]]
) -> None:
    header, clusters = media
    before = time.time()
    response = put_media(stream.endpoint, stream.name, header + b"".join(clusters))
    said = acknowledgements(response)
    assert [each["EventType"] for each in said] == ["BUFFERING", "RECEIVED", "PERSISTED"] * 3
    assert [each["FragmentTimecode"] for each in said[::3]] == [
        1_700_000_000_000 + 1000 * number for number in range(3)
    ]
    found = stream.read(3)
    assert [each.number for each in found] == [each["FragmentNumber"] for each in said[::3]]
    assert numbers(found) == list(range(30))
    assert [each.producer_timestamp for each in found] == [1.7e9, 1.7e9 + 1, 1.7e9 + 2]
    assert all(before - 1 < (each.server_timestamp or 0) < time.time() for each in found)
    assert [each.continuation_token for each in found] == [each.number for each in found]
    behind = [each.millis_behind_now for each in found]
    assert behind[-1] == 0
    assert all(one >= other for one, other in pairwise(behind) if one is not None and other)


def test_a_chunked_body_and_relative_times(
    stream: Stream, media: tuple[bytes, list[bytes]]
) -> None:
    header, clusters = matroska(kinesis.numbered_film(20))
    body = header + b"".join(clusters)
    response = put_media(
        stream.endpoint,
        stream.name,
        (body[at : at + 1000] for at in range(0, len(body), 1000)),
        x_amzn_fragment_timecode_type="RELATIVE",
        x_amzn_producer_start_timestamp="1700000000.500",
    )
    assert len(acknowledgements(response)) == 6
    found = stream.read(2)
    assert [each.producer_timestamp for each in found] == [1.7e9 + 0.5, 1.7e9 + 1.5]
    assert numbers(found) == list(range(20))


def test_a_stream_that_keeps_nothing_persists_nothing(
    server: Server, media: tuple[bytes, list[bytes]]
) -> None:
    stream = Stream(server, DataRetentionInHours=0)
    said = acknowledgements(put_media(stream.endpoint, stream.name, media[0] + media[1][0]))
    assert [each["EventType"] for each in said] == ["BUFFERING", "RECEIVED"]
    assert numbers(stream.read(1)) == list(range(10))


def test_live_readers_get_a_fragment_before_the_next_is_complete(
    stream: Stream, media: tuple[bytes, list[bytes]]
) -> None:
    header, clusters = media
    readers = [stream.get("NOW") for _ in range(2)]
    found: list[list[Fragment]] = [[], []]

    def read(which: int) -> None:
        found[which].extend(kinesis.read(readers[which]))

    threads = [threading.Thread(target=read, args=(which,)) for which in range(2)]
    for thread in threads:
        thread.start()
    producer = stream.produce()
    list(producer.send(header + clusters[0]))
    # The first fragment has an unknown size, so the second one's first bytes end it.
    list(producer.send(clusters[1][:40]))
    eventually(lambda: [len(each) for each in found] == [1, 1])
    list(producer.send(clusters[1][40:]))
    list(producer.finish())
    eventually(lambda: [len(each) for each in found] == [2, 2])
    stream.client.delete_stream(StreamARN=stream.arn)
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    for each in found:
        assert numbers(each) == list(range(20))
    producer.close()


def test_reading_resumes_where_it_stopped(stream: Stream, media: tuple[bytes, list[bytes]]) -> None:
    header, clusters = media
    put_media(stream.endpoint, stream.name, header + b"".join(clusters))
    first = stream.read(1)[0]
    token, after = first.continuation_token, first.number
    rest = stream.read(2, "CONTINUATION_TOKEN", ContinuationToken=token)
    assert numbers(rest) == list(range(10, 30))
    assert rest == stream.read(2, "FRAGMENT_NUMBER", AfterFragmentNumber=after)
    assert numbers(stream.read(1, "PRODUCER_TIMESTAMP", StartTimestamp=1.7e9 + 1.3)) == list(
        range(10, 20)
    )
    assert numbers(
        stream.read(1, "SERVER_TIMESTAMP", StartTimestamp=(first.server_timestamp or 0) - 5)
    ) == list(range(10))
    assert numbers(stream.read(1, "NOW")) == list(range(20, 30))


def test_a_missing_fragment_is_reported(stream: Stream) -> None:
    with pytest.raises(StreamFailed, match="not found") as failed:
        stream.read(1, "FRAGMENT_NUMBER", AfterFragmentNumber="1" * 47)
    assert failed.value.number == 4000


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (
            lambda header, clusters: header + clusters[0] + clusters[1][:400] + bytes(500),
            "INVALID_MKV_DATA",
        ),
        (
            lambda header, clusters: header + clusters[0] + clusters[1][:-100],
            "INVALID_MKV_DATA",
        ),
        (
            lambda header, clusters: header + clusters[0] + clusters[0],
            "FRAGMENT_TIMECODE_LESSER_THAN_PREVIOUS",
        ),
        (
            lambda header, clusters: header + clusters[0] + header + clusters[1],
            "INVALID_MKV_DATA",
        ),
    ],
    ids=["garbage", "truncated", "backwards", "second-header"],
)
def test_a_broken_fragment_is_refused_and_earlier_ones_are_kept(
    stream: Stream, media: tuple[bytes, list[bytes]], spoil: Any, code: str
) -> None:
    said = acknowledgements(put_media(stream.endpoint, stream.name, spoil(*media)))
    assert said[-1]["EventType"] == "ERROR"
    assert said[-1]["ErrorCode"] == code
    # The stream accepts the next session, and readers receive both sessions.
    header, clusters = media
    assert len(acknowledgements(put_media(stream.endpoint, stream.name, header + clusters[2]))) == 3
    whole = []
    with stream.get() as payload:
        for fragment in kinesis.read(payload):
            if fragment.continuation_token:
                whole.append(fragment)
            if len(whole) == 2:
                break
    assert numbers(whole) == [*range(10), *range(20, 30)]


def test_garbage_alone_is_refused(stream: Stream) -> None:
    said = acknowledgements(put_media(stream.endpoint, stream.name, b"no film at all" * 100))
    assert [each["ErrorId"] for each in said] == [4006]


def test_an_interrupted_producer_keeps_its_complete_fragments(
    stream: Stream, media: tuple[bytes, list[bytes]]
) -> None:
    header, clusters = media
    producer = stream.produce()
    said = list(producer.send(header + clusters[0] + clusters[1][:200]))

    def received() -> bool:
        said.extend(producer.listen(0.05))
        return [each.event for each in said].count("BUFFERING") == 2

    eventually(received)
    producer.close()
    again: list[Any] = []

    def come_back() -> bool:
        again[:] = [put_media(stream.endpoint, stream.name, header + clusters[2])]
        return bool(again[0].status_code == 200)

    eventually(come_back)
    assert len(acknowledgements(again[0])) == 3
    with stream.get() as payload:
        whole = [each for each in islice(kinesis.read(payload), 3) if each.continuation_token]
    assert numbers(whole) == [*range(10), *range(20, 30)]


def test_a_stream_without_video_is_accepted(stream: Stream) -> None:
    header, clusters = matroska(making.sound_only())
    said = acknowledgements(put_media(stream.endpoint, stream.name, header + b"".join(clusters)))
    assert said[-1]["EventType"] == "PERSISTED"
    assert not any(track.video for track in stream.read(1)[0].tracks)


def test_one_producer_at_a_time(stream: Stream, media: tuple[bytes, list[bytes]]) -> None:
    producer = stream.produce()
    list(producer.send(media[0] + media[1][0]))
    refused = put_media(stream.endpoint, stream.name, media[0])
    assert refused.status_code == 400
    assert refused.headers["x-amzn-ErrorType"] == "ConnectionLimitExceededException"
    producer.close()


def test_bad_requests_get_modelled_errors(stream: Stream) -> None:
    errors = stream.media.exceptions
    with pytest.raises(errors.ResourceNotFoundException):
        stream.media.get_media(
            StreamName="no-such-stream", StartSelector={"StartSelectorType": "NOW"}
        )
    with pytest.raises(errors.InvalidArgumentException, match="either StreamName or StreamARN"):
        stream.media.get_media(StartSelector={"StartSelectorType": "NOW"})
    with pytest.raises(errors.InvalidArgumentException, match="AfterFragmentNumber"):
        stream.get("FRAGMENT_NUMBER")
    with pytest.raises(errors.InvalidArgumentException, match="StartTimestamp"):
        stream.get("PRODUCER_TIMESTAMP")
    missing = put_media(stream.endpoint, "no-such-stream", b"")
    assert missing.status_code == 404
    relative = put_media(
        stream.endpoint, stream.name, b"", x_amzn_fragment_timecode_type="RELATIVE"
    )
    assert "x-amzn-producer-start-timestamp" in relative.json()["Message"]


def test_stalled_readers_do_not_block_others(
    stream: Stream, media: tuple[bytes, list[bytes]]
) -> None:
    # Twice the number of the server's threads.
    payloads = [stream.get("NOW") for _ in range(32)]
    started = time.monotonic()
    stream.client.describe_stream(StreamName=stream.name)
    said = acknowledgements(put_media(stream.endpoint, stream.name, media[0] + b"".join(media[1])))
    assert len(said) == 9
    # A client gives up after a minute, so a request that waited for a reader took longer.
    assert time.monotonic() - started < 50
    for payload in payloads:
        payload.close()


def test_a_page_of_another_site_sees_no_camera(server: Server, stream: Stream) -> None:
    answer = put_media(server.url, stream.name, b"", origin="http://evil.example")
    assert answer.status_code == 403


def test_the_server_stops_while_media_is_read_and_sent(
    tmp_path_factory: pytest.TempPathFactory, media: tuple[bytes, list[bytes]]
) -> None:
    from tests.conftest import Server

    server = Server(tmp_path_factory.mktemp("stopped") / "data")
    stream = Stream(server)
    payload = stream.get("NOW")
    producer = stream.produce()
    list(producer.send(media[0] + media[1][0]))
    # ``Server.stop`` fails if the end takes more than a minute.
    assert server.stop() == 0
    payload.close()
    producer.close()
