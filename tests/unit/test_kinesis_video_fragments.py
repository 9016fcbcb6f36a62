"""Fragments are read from a GetMedia byte stream in pieces of any size, also after damage."""

from __future__ import annotations

import io
import random
from contextlib import suppress
from itertools import pairwise
from typing import Literal

import av
import numpy as np
import pytest

from facedex.media.matroska import contents, ebml, tags
from facedex.media.matroska.matroska_errors import (
    MatroskaError,
    NotMatroska,
    NoVideo,
    StreamFailed,
    TooLarge,
)
from facedex.media.matroska.parsing import Element, Parser
from tests.media.fragments import Fragment, read_fragments
from tests.media.pictures import frames

_FRAMES = 30


def _film(width: int = 64, codec: Literal["libx264", "mpeg4"] = "libx264") -> bytes:
    """Return a film of three seconds at 10 frames per second, with a key frame each second."""
    written = io.BytesIO()
    with av.open(written, "w", format="matroska") as output:
        stream = output.add_stream(codec, rate=10, options={"g": "10"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, 48, "yuv420p"
        for number in range(_FRAMES):
            picture = np.full((48, width, 3), number * 8, np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode(None))
    return written.getvalue()


def _elements(data: bytes) -> list[Element]:
    return list(Parser().feed(data))


def _answer(film: bytes, *, first: int = 1) -> list[bytes]:
    """Return the fragments of a film as GetMedia sends them, with a cluster for each key frame."""
    found = _elements(film)
    header = b"".join(
        ebml.endless(ebml.SEGMENT) if each.id == ebml.SEGMENT else each.raw
        for each in found
        if each.id in (ebml.EBML, ebml.SEGMENT, ebml.INFO, ebml.TRACKS)
    )
    clusters: list[bytes] = []
    base = began = 0
    for each in found:
        if each.id == ebml.TIMESTAMP:
            base = ebml.unsigned(each.body)
        elif each.id == ebml.SIMPLE_BLOCK:
            block = contents.read_block(each)
            if block.key:
                began = base + block.offset
                clusters.append(contents.open_cluster(began))
            at = base + block.offset - began
            body = each.body[:1] + at.to_bytes(2, "big", signed=True) + each.body[3:]
            clusters[-1] += ebml.element(ebml.SIMPLE_BLOCK, body)
    return [
        header
        + contents.write_tags(
            {
                tags.NUMBER: str(number),
                tags.SERVER_TIMESTAMP: "1726677687.758",
                tags.PRODUCER_TIMESTAMP: "1726677686.5",
            }
        )
        + cluster
        + contents.write_tags({"Door": "north"})
        + contents.write_tags({tags.MILLIS_BEHIND_NOW: "250", tags.CONTINUATION_TOKEN: str(number)})
        for number, cluster in enumerate(clusters, first)
    ]


def _pictures(data: bytes) -> list[bytes]:
    with av.open(io.BytesIO(data), "r") as container:
        return [frame.to_ndarray().tobytes() for frame in container.decode(video=0)]


def _decode(found: list[Fragment]) -> list[bytes]:
    return [frame.to_ndarray().tobytes() for each in found for _, frame in frames(each)]


@pytest.fixture(scope="module")
def film() -> bytes:
    return _film()


@pytest.fixture(scope="module")
def answer(film: bytes) -> list[bytes]:
    return _answer(film)


@pytest.mark.parametrize("size", [1, 7, 1000, 1 << 20])
def test_fragments_do_not_depend_on_how_the_stream_is_cut(answer: list[bytes], size: int) -> None:
    data = b"".join(answer)
    found = list(read_fragments(data[at : at + size] for at in range(0, len(data), size)))
    assert [each.number for each in found] == ["1", "2", "3"]
    assert found == list(read_fragments([data]))


def test_a_fragment_has_the_tags_of_kinesis_and_of_its_producer(answer: list[bytes]) -> None:
    first = next(read_fragments(answer))
    assert first.server_timestamp == 1726677687.758
    assert first.producer_timestamp == 1726677686.5
    assert first.millis_behind_now == 250
    assert first.continuation_token == "1"
    assert first.tags["Door"] == "north"


def test_pictures_are_those_of_the_film_bit_for_bit(film: bytes, answer: list[bytes]) -> None:
    assert _decode(list(read_fragments(answer))) == _pictures(film)


def test_offsets_count_from_the_start_of_the_fragment(answer: list[bytes]) -> None:
    for fragment in read_fragments(answer):
        offsets = [offset for offset, _ in frames(fragment)]
        assert offsets == pytest.approx([number / 10 for number in range(10)])
        assert all(later > earlier for earlier, later in pairwise(offsets))


def test_a_fragment_comes_before_the_next_one_begins(answer: list[bytes]) -> None:
    def live() -> object:
        yield answer[0]
        raise AssertionError("waited for the next fragment")

    assert next(read_fragments(live())).number == "1"  # type: ignore[arg-type]


def test_a_plain_file_is_read_too(film: bytes) -> None:
    found = list(read_fragments([film]))
    assert sum(len(list(frames(each))) for each in found) == _FRAMES
    assert found[0].number == ""


def test_size_and_codec_may_change_in_the_middle(answer: list[bytes]) -> None:
    other = _answer(_film(96, "mpeg4"), first=4)
    found = list(read_fragments([*answer, *other]))
    widths = [next(frames(each))[1].width for each in found]
    assert widths == [64] * len(answer) + [96] * len(other)
    assert len(_decode(found)) == 2 * _FRAMES


def test_truncated_fragments_are_skipped_and_reported(answer: list[bytes]) -> None:
    damage: list[MatroskaError] = []
    parts = [answer[0], answer[1][: len(answer[1]) * 2 // 3], answer[2]]
    found = list(read_fragments(parts, damaged=damage.append))
    assert found[0].number == "1"
    assert "2" not in [each.number for each in found]
    assert damage


def test_garbage_between_fragments_costs_none_of_them(answer: list[bytes]) -> None:
    damage: list[MatroskaError] = []
    noise = random.Random(7).randbytes(100_000)
    parts = [noise, answer[0], noise, answer[1], noise, answer[2]]
    found = list(read_fragments(parts, damaged=damage.append))
    assert [each.number for each in found] == ["1", "2", "3"]
    assert len(damage) >= 3


def test_a_stream_of_garbage_fails(answer: list[bytes]) -> None:
    noise = random.Random(7).randbytes(1 << 20).replace(b"\x1aE\xdf\xa3", b"")
    with pytest.raises(NotMatroska, match="nothing that could be read"):
        list(read_fragments([noise] * 20))


def test_a_huge_declared_size_is_not_trusted(answer: list[bytes]) -> None:
    damage: list[MatroskaError] = []
    huge = b"\xa3" + ((1 << 56) | (1 << 40)).to_bytes(8, "big")
    cut = answer[0].index(ebml.endless(ebml.CLUSTER)) + len(contents.open_cluster(0))
    found = list(read_fragments([answer[0][:cut] + huge, *answer[1:]], damaged=damage.append))
    assert [each.number for each in found] == ["2", "3"]
    assert isinstance(damage[0], TooLarge)


def test_a_fragment_over_the_limit_is_dropped(answer: list[bytes]) -> None:
    damage: list[MatroskaError] = []
    assert list(read_fragments(answer, largest=100, damaged=damage.append)) == []
    assert isinstance(damage[0], TooLarge)


def test_flipped_bytes_never_stop_the_reader(answer: list[bytes]) -> None:
    chance = random.Random(3)
    for _ in range(200):
        broken = bytearray(b"".join(answer))
        for _ in range(5):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        for fragment in read_fragments([bytes(broken), *answer]):
            # Any other error fails the test.
            with suppress(MatroskaError):
                list(frames(fragment))


def test_an_error_of_the_service_is_raised(answer: list[bytes]) -> None:
    said = contents.write_tags(
        {tags.ERROR_CODE: "Requested fragment is not found", tags.ERROR_ID: "4000"}
    )
    with pytest.raises(StreamFailed, match="not found") as failed:
        list(read_fragments([answer[0], said]))
    assert failed.value.number == 4000


def test_a_stream_without_video_is_an_error() -> None:
    written = io.BytesIO()
    with av.open(written, "w", format="matroska") as output:
        stream = output.add_stream("aac", rate=8000)
        sound = av.AudioFrame.from_ndarray(
            np.zeros((1, 8000), np.float32), format="fltp", layout="mono"
        )
        sound.sample_rate = 8000
        output.mux(stream.encode(sound))
        output.mux(stream.encode(None))
    fragment = next(read_fragments([written.getvalue()]))
    with pytest.raises(NoVideo, match="no video track"):
        list(frames(fragment))
