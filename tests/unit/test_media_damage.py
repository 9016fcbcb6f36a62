"""Damage of a film is reported, and costs only what is damaged."""

from __future__ import annotations

import contextlib
import io
import random
import struct
from collections.abc import Callable

import pytest

from facedex.media import films
from facedex.media.film_errors import FilmError
from tests.media import joining, making
from tests.media.joining import FRAGMENTS, FRAMES, part
from tests.media.searching import STEP, damage_of, search

MP4, MKV = part(), part(container="matroska")
TS = part(container="mpegts")
FIRST_INDEX = part(container_options={"movflags": "faststart"})


@pytest.mark.parametrize("remove", [joining.without_fragment, joining.with_damaged_fragment])
def test_a_film_without_some_of_its_fragments_is_searched_and_says_so(
    remove: Callable[[bytes, int], bytes],
) -> None:
    film, _, numbers = search(remove(part(container_options=FRAGMENTS), 2))
    assert numbers == [*range(0, 20, STEP), *range(30, FRAMES, STEP)]
    assert film.remarks == (
        "Fragments of the file are missing: 0.4 seconds of the film have no pictures.",
    )


@pytest.mark.parametrize("sound", [False, True])
def test_a_frame_that_is_shown_for_long_is_no_missing_fragment(sound: bool) -> None:
    show = making.numbered()
    times = [*making.steady(30), *making.steady(30, start=20_000)]
    for options in (FRAGMENTS, {}):
        data = making.film(
            times,
            show,
            codec_options={"g": "10", "bf": "0"},
            container_options=options,
            sound=sound,
        )
        assert films.probe(io.BytesIO(data)).remarks == ()


@pytest.mark.parametrize("sound", [False, True])
def test_unreadable_bytes_between_pictures_are_reported(sound: bool) -> None:
    options = {"cluster_time_limit": "300"}
    whole = part(count=120, container="matroska", container_options=options, sound=sound)
    assert films.probe(io.BytesIO(whole)).remarks == ()
    film, _, numbers = search(joining.with_hole(whole, 1000))
    assert film.remarks[0].startswith("The file is damaged: ")
    assert len(numbers) >= 18


def test_damaged_frames_are_counted_once() -> None:
    data = bytearray(FIRST_INDEX)
    middle = len(data) // 2
    data[middle : middle + 400] = bytes(400)
    assert 1 <= damage_of(bytes(data)) <= 15


def test_lost_packets_of_a_broadcast_are_counted() -> None:
    assert damage_of(joining.without_packets(part(count=120, container="mpegts"), 20)) >= 1


def test_pictures_that_the_decoder_does_not_return_are_counted() -> None:
    data = bytearray(part(count=150, codec_options={"g": "75", "keyint_min": "75", "bf": "0"}))
    sizes = data.index(b"stsz") + 16
    place = data.index(b"mdat") + 4 + sum(struct.unpack_from(">75I", data, sizes))
    length = struct.unpack_from(">I", data, sizes + 4 * 75)[0]
    at = place
    while at < place + length:  # the second key frame becomes a comment, which decoders skip
        size = struct.unpack_from(">I", data, at)[0]
        data[at + 4] = 0x06
        at += 4 + size
    assert damage_of(bytes(data)) >= 1


MUTATED = [
    MP4,
    MKV,
    TS,
    part(container_options=FRAGMENTS),
    part(container="flv"),
    part(container="avi", codec="mpeg4"),
    part(container="asf", codec="mpeg4"),
    part(container="ivf", codec="libvpx"),
    joining.mpeg2("vob"),
    joining.mpeg2("mxf"),
]


@pytest.mark.parametrize("seed", range(10))
def test_a_damaged_file_is_searched_or_refused_but_raises_nothing_else(seed: int) -> None:
    rng = random.Random(seed)
    searched = 0
    for number in range(40):
        data = bytearray(MUTATED[number % len(MUTATED)])
        for _ in range(rng.choice((1, 3, 10, 100))):
            # Half of the changes are in the headers.
            at = rng.randrange(min(len(data), rng.choice((2000, len(data)))))
            length = rng.randrange(200)
            data[at : at + rng.choice((0, 1, length))] = rng.choice(
                (rng.randbytes(1), b"", b"\xff" * 4, bytes(4), rng.randbytes(length))
            )
        with contextlib.suppress(FilmError):
            search(bytes(data), 30)
            searched += 1
    assert searched > 0


OPEN = {"g": "20", "bf": "3", "x264-params": "open-gop=1:b-pyramid=normal:scenecut=0"}


@pytest.mark.parametrize(
    "data",
    [MP4, MKV, TS, part(count=150, codec_options=OPEN), part(container="webm", codec="libvpx-vp9")],
    ids=["mp4", "mkv", "ts", "open", "webm"],
)
def test_an_intact_film_has_no_damaged_frames(data: bytes) -> None:
    assert damage_of(data) == 0
