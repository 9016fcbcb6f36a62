"""PutMedia's limits: what breaks one is refused by the service's own code."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from facedex.media.matroska import contents, ebml
from facedex_local.aws.kinesis_video.buffer import Buffer
from facedex_local.aws.kinesis_video.ingest import Acknowledgement, Event, Fault, Ingest
from facedex_local.aws.kinesis_video.passages import Selector, Start
from facedex_local.aws.kinesis_video.reading import Reader

_HEADER = ebml.element(ebml.EBML, b"") + ebml.endless(ebml.SEGMENT)


def tracks(*numbers: int) -> bytes:
    entries = b"".join(
        ebml.element(ebml.TRACK_ENTRY, ebml.number(ebml.TRACK_NUMBER, number)) for number in numbers
    )
    return ebml.element(ebml.TRACKS, entries)


def block(offset: int = 0, track: int = 1, size: int = 10) -> bytes:
    position = offset.to_bytes(2, "big", signed=True)
    return ebml.element(ebml.SIMPLE_BLOCK, bytes([0x80 | track]) + position + b"\x80" + bytes(size))


def ingest(media: bytes, *, finish: bool = True) -> list[Acknowledgement]:
    buffer = Buffer(most_bytes=100 << 20, seconds=60)
    session = Ingest(buffer, began=0, persists=False)
    buffer.admit(session)
    said = list(session.feed(media))
    if finish:
        said += session.finish()
    return said


def fault(media: bytes) -> Fault | None:
    return ingest(_HEADER + media)[-1].fault


def cluster(time: int, *blocks: bytes) -> bytes:
    return contents.open_cluster(time) + b"".join(blocks)


def test_each_cluster_is_a_fragment() -> None:
    said = ingest(_HEADER + tracks(1) + cluster(5, block()) + cluster(9, block(), block(40)))
    assert [(each.event, each.timecode) for each in said] == [
        (Event.BUFFERING, 5),
        (Event.RECEIVED, 5),
        (Event.BUFFERING, 9),
        (Event.RECEIVED, 9),
    ]


def test_a_fragment_in_the_middle_is_not_acknowledged() -> None:
    said = ingest(_HEADER + tracks(1) + cluster(5, block()), finish=False)
    assert [each.event for each in said] == [Event.BUFFERING]


@pytest.mark.parametrize(
    ("media", "code"),
    [
        (tracks(1) + cluster(0, block(10_001)), Fault.MAX_FRAGMENT_DURATION_REACHED),
        (
            tracks(1) + cluster(0, *[block(size=15 << 20)] * 4),
            Fault.MAX_FRAGMENT_SIZE_REACHED,
        ),
        (tracks(1) + cluster(0, block(size=17 << 20)), Fault.MAX_FRAGMENT_SIZE_REACHED),
        (
            tracks(1) + cluster(9, block()) + cluster(8, block()),
            Fault.FRAGMENT_TIMECODE_LESSER_THAN_PREVIOUS,
        ),
        (
            tracks(1) + cluster(9, block(50)) + cluster(20, block(10)),
            Fault.FRAGMENT_TIMECODE_LESSER_THAN_PREVIOUS,
        ),
        (tracks(1) + cluster(0, block(track=2)), Fault.TRACK_NUMBER_MISMATCH),
        (tracks(1, 2) + cluster(0, block()), Fault.FRAMES_MISSING_FOR_TRACK),
        (tracks(1, 2, 3, 4), Fault.MORE_THAN_ALLOWED_TRACKS_FOUND),
        (cluster(0, block()), Fault.INVALID_MKV_DATA),
        (tracks(1) + cluster(1 << 60, block()), Fault.INVALID_PRODUCER_TIMESTAMP),
    ],
)
def test_limits(media: bytes, code: Fault) -> None:
    assert fault(media) is code


def test_nothing_is_accepted_after_an_error() -> None:
    buffer = Buffer(most_bytes=1 << 20, seconds=60)
    session = Ingest(buffer, began=0, persists=False)
    buffer.admit(session)
    assert [each.event for each in session.feed(b"garbage")] == [Event.ERROR]
    assert session.ended
    assert list(session.feed(_HEADER + tracks(1) + cluster(0, block()))) == []
    assert list(session.finish()) == []


def test_a_deleted_stream_ends_its_producer() -> None:
    buffer = Buffer(most_bytes=1 << 20, seconds=60)
    session = Ingest(buffer, began=0, persists=False)
    buffer.admit(session)
    buffer.close()
    said = list(session.feed(_HEADER + tracks(1) + cluster(0, block())))
    assert [each.fault for each in said] == [Fault.STREAM_NOT_ACTIVE]


def test_callers_cannot_set_the_services_own_tags() -> None:
    buffer = Buffer(most_bytes=1 << 20, seconds=60)
    session = Ingest(buffer, began=0, persists=False)
    buffer.admit(session)
    tags = contents.write_tags({"AWS_KINESISVIDEO_FRAGMENT_NUMBER": "7", "Door": "north"})
    list(session.feed(_HEADER + tracks(1) + tags + cluster(0, block())))
    passage = Reader(buffer, Start(Selector.EARLIEST)).read(0)
    assert passage
    assert passage.fragment.tags == {"Door": "north"}


@pytest.mark.parametrize("cut", [lambda: 1, lambda: random.Random(5).randrange(1, 60)])
def test_acknowledgements_do_not_depend_on_how_media_is_cut(cut: Callable[[], int]) -> None:
    media = _HEADER + tracks(1) + cluster(5, block()) + cluster(9, block(), block(40))
    buffer = Buffer(most_bytes=1 << 20, seconds=60)
    session = Ingest(buffer, began=0, persists=True)
    buffer.admit(session)
    said: list[Acknowledgement] = []
    at = 0
    while at < len(media):
        size = cut()
        said += session.feed(media[at : at + size])
        at += size
    said += session.finish()
    assert [each.event.value[0] for each in said] == list("BRPBRP")


def test_noise_never_raises() -> None:
    chance = random.Random(11)
    media = _HEADER + tracks(1) + b"".join(cluster(n * 10, block(), block(5)) for n in range(20))
    for _ in range(300):
        broken = bytearray(media)
        for _ in range(4):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        ingest(bytes(broken))
