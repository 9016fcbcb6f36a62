"""A stream's media is bounded in memory, and read from wherever a reader starts."""

from __future__ import annotations

import threading

import pytest

from facedex_local.aws.kinesis_video.buffer import Buffer
from facedex_local.aws.kinesis_video.kinesis_video_errors import (
    FragmentNotFound,
    ProducerBusy,
    ProducerSuperseded,
    StreamClosed,
)
from facedex_local.aws.kinesis_video.passages import Fragment, Passage, Selector, Start
from facedex_local.aws.kinesis_video.reading import Reader

_PRODUCER = object()


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def buffer(clock: Clock) -> Buffer:
    made = Buffer(most_bytes=10_000, seconds=60, clock=clock)
    made.admit(_PRODUCER)
    return made


def add(buffer: Buffer, piece: bytes, *, at: float = 0.0, whole: bool = True) -> Fragment:
    fragment = buffer.begin(_PRODUCER, header=b"", tags={}, timestamp=0, producer_timestamp=at)
    buffer.grow(_PRODUCER, fragment, piece, 0.5)
    if whole:
        buffer.finish(fragment)
    return fragment


def drain(reader: Reader) -> list[Passage]:
    found = []
    while passage := reader.read(0):
        found.append(passage)
    return found


def texts(reader: Reader) -> list[bytes]:
    return [b"".join(passage.pieces) for passage in drain(reader)]


def earliest(buffer: Buffer) -> Reader:
    return Reader(buffer, Start(Selector.EARLIEST))


def test_memory_is_bounded_under_a_producer_that_never_stops(buffer: Buffer) -> None:
    for _ in range(1000):
        add(buffer, bytes(900))
        assert buffer.size <= 10_000
    assert len(drain(earliest(buffer))) == 11


def test_old_fragments_expire_without_readers(buffer: Buffer, clock: Clock) -> None:
    add(buffer, b"old")
    clock.now += 61
    buffer.expire()
    assert buffer.size == 0
    add(buffer, b"new")
    assert texts(earliest(buffer)) == [b"new"]


def test_a_slow_reader_finishes_its_fragment_and_then_jumps(buffer: Buffer) -> None:
    first = add(buffer, b"1", whole=False)
    slow = earliest(buffer)
    assert slow.read(0) is not None
    buffer.grow(_PRODUCER, first, b"2", 0.5)
    buffer.finish(first)
    for _ in range(20):
        add(buffer, bytes(900))
    left = drain(slow)
    assert (left[0].fragment, left[0].pieces, left[0].ends) == (first, (b"2",), True)
    assert len(left) == 12
    assert [len(each.pieces[0]) for each in left[1:]] == [900] * 11


def test_a_fragment_is_read_while_it_grows(buffer: Buffer) -> None:
    reader = Reader(buffer, Start(Selector.NOW))
    growing = add(buffer, b"1", whole=False)
    assert reader.read(0) == Passage(growing, (b"1",), begins=True, ends=False)
    assert reader.read(0) is None
    buffer.grow(_PRODUCER, growing, b"2", 0.5)
    assert reader.read(0) == Passage(growing, (b"2",), begins=False, ends=False)
    buffer.finish(growing)
    assert reader.read(0) == Passage(growing, (), begins=False, ends=True)


def test_a_waiting_reader_is_woken(buffer: Buffer) -> None:
    found: list[Passage | None] = []
    reader = earliest(buffer)
    waiting = threading.Thread(target=lambda: found.append(reader.read(30)))
    waiting.start()
    add(buffer, b"1")
    waiting.join(60)
    assert found
    assert found[0] is not None


def test_now_is_the_newest_fragment_of_a_live_stream_and_the_next_of_an_idle_one(
    buffer: Buffer, clock: Clock
) -> None:
    add(buffer, b"1")
    add(buffer, b"2")
    assert texts(Reader(buffer, Start(Selector.NOW))) == [b"2"]
    clock.now += 11
    reader = Reader(buffer, Start(Selector.NOW))
    assert texts(reader) == []
    add(buffer, b"3")
    assert texts(reader) == [b"3"]


def test_reading_continues_after_a_fragment_number(buffer: Buffer) -> None:
    numbers = [add(buffer, str(each).encode()).number for each in range(3)]
    assert numbers == sorted(numbers, key=int)
    for selector in (Selector.FRAGMENT_NUMBER, Selector.CONTINUATION_TOKEN):
        assert texts(Reader(buffer, Start(selector, number=numbers[0]))) == [b"1", b"2"]
    reader = Reader(buffer, Start(Selector.CONTINUATION_TOKEN, number=numbers[2]))
    assert texts(reader) == []
    add(buffer, b"3")
    assert texts(reader) == [b"3"]


def test_numbers_increase_even_if_the_clock_is_set_back(buffer: Buffer, clock: Clock) -> None:
    first = add(buffer, b"1").number
    clock.now -= 3600
    assert int(add(buffer, b"2").number) > int(first)


def test_reading_can_resume_from_the_last_dropped_fragment(buffer: Buffer) -> None:
    numbers = [add(buffer, bytes(4000)).number for _ in range(4)]
    assert len(drain(Reader(buffer, Start(Selector.FRAGMENT_NUMBER, number=numbers[1])))) == 2
    with pytest.raises(FragmentNotFound):
        Reader(buffer, Start(Selector.FRAGMENT_NUMBER, number=numbers[0]))


@pytest.mark.parametrize(
    ("time", "expected"), [(0, "123"), (10.2, "123"), (10.7, "23"), (20.5, "23"), (30, "3")]
)
def test_reading_from_a_producer_time_starts_with_the_fragment_at_that_time(
    buffer: Buffer, time: float, expected: str
) -> None:
    for number in range(1, 4):
        add(buffer, str(number).encode(), at=number * 10)
    reader = Reader(buffer, Start(Selector.PRODUCER_TIMESTAMP, timestamp=time))
    assert b"".join(texts(reader)) == expected.encode()


def test_reading_from_a_future_server_time_waits(buffer: Buffer, clock: Clock) -> None:
    add(buffer, b"1")
    reader = Reader(buffer, Start(Selector.SERVER_TIMESTAMP, timestamp=clock.now + 5))
    assert texts(reader) == []
    clock.now += 6
    add(buffer, b"2")
    assert texts(reader) == [b"2"]


def test_an_incomplete_fragment_has_no_end(buffer: Buffer) -> None:
    broken = add(buffer, b"1", whole=False)
    buffer.dismiss(_PRODUCER)
    buffer.admit(_PRODUCER)
    add(buffer, b"2")
    first, second = drain(earliest(buffer))
    assert (first.fragment, first.ends, second.ends) == (broken, False, True)


def test_fragments_report_their_milliseconds_behind_live(buffer: Buffer, clock: Clock) -> None:
    add(buffer, b"1")
    clock.now += 2.5
    add(buffer, b"2")
    assert [each.millis_behind for each in drain(earliest(buffer))] == [2500, 0]


def test_a_silent_producer_is_replaced_by_another(buffer: Buffer, clock: Clock) -> None:
    add(buffer, b"1", whole=False)
    other = object()
    with pytest.raises(ProducerBusy):
        buffer.admit(other, patience=0)
    clock.now += 6
    buffer.admit(other, patience=0)
    with pytest.raises(ProducerSuperseded):
        add(buffer, b"2")
    buffer.dismiss(_PRODUCER)
    buffer.begin(other, header=b"", tags={}, timestamp=0, producer_timestamp=0)


def test_a_deleted_stream_is_neither_read_nor_written(buffer: Buffer) -> None:
    add(buffer, b"1")
    reader = earliest(buffer)
    buffer.close()
    with pytest.raises(StreamClosed):
        reader.read(5)
    with pytest.raises(StreamClosed):
        add(buffer, b"2")
    assert buffer.size == 0
