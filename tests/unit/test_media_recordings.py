"""A film is searched completely, whatever its file says; what is missing is in the remarks."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

import numpy as np
import pytest

from facedex.media import films
from tests.media import joining, making
from tests.media.joining import FRAGMENTS, FRAMES, part
from tests.media.searching import STEP, assert_searched, search

MP4, MKV = part(), part(container="matroska")
TS = part(container="mpegts")
FIRST_INDEX = part(container_options={"movflags": "faststart"})
LONG = 7 * 3_600_000


@pytest.mark.parametrize("box", ["mvhd", "mdhd", "tkhd"])
@pytest.mark.parametrize("value", [0, 1, 500, 2**31 - 1])
def test_an_mp4_is_searched_to_its_end_whatever_duration_it_declares(box: str, value: int) -> None:
    offset = {"mvhd": 20, "mdhd": 20, "tkhd": 24}[box]
    film, _, numbers = search(joining.set_number(MP4, box.encode(), offset, value))
    assert (film.duration, film.remarks) == (2400, ())
    assert_searched(numbers, FRAMES)


@pytest.mark.parametrize("duration", [None, 0.0, 10.0, 500.0, -5.0, float("nan"), float("inf")])
def test_a_matroska_file_is_searched_to_its_end_whatever_duration_it_declares(
    duration: float | None,
) -> None:
    film, _, numbers = search(joining.set_matroska_duration(MKV, duration))
    assert (film.duration, film.remarks) == (2400, ())
    assert_searched(numbers, FRAMES)


@pytest.mark.parametrize("duration", [10_000, LONG])
def test_a_film_that_is_shorter_than_declared_is_searched_and_says_so(duration: int) -> None:
    film, _, numbers = search(joining.set_matroska_duration(MKV, duration))
    assert film.duration == 2400
    assert film.remarks == (
        f"The pictures end after 2.4 of the {duration / 1000:.1f} seconds that the file declares.",
    )
    assert_searched(numbers, FRAMES)


@pytest.mark.parametrize(
    "whole",
    [
        FIRST_INDEX,
        MKV,
        part(container="webm", codec="libvpx-vp9"),
        part(container_options=FRAGMENTS),
        part(container="flv"),
    ],
    ids=["mp4", "mkv", "webm", "fragments", "flv"],
)
def test_a_film_that_was_cut_off_is_searched_as_far_as_it_goes_and_says_so(whole: bytes) -> None:
    film, times, numbers = search(whole[: len(whole) * 3 // 5])
    (remark,) = film.remarks
    assert "cut off" in remark or "pictures end after" in remark
    assert 500 < film.duration < 2000
    assert film.duration - 250 <= times[-1] < film.duration
    assert_searched(numbers, film.duration * 25 // 1000 - STEP)


@pytest.mark.parametrize("container", ["mpegts", "avi"])
def test_what_is_there_of_a_film_without_declared_length_is_searched(container: str) -> None:
    codec = "mpeg4" if container == "avi" else "libx264"
    whole = part(container=container, codec=codec)
    film, times, _ = search(whole[: len(whole) * 4 // 5])
    assert film.duration - 250 <= times[-1] < film.duration


Join = Callable[[], bytes]
JOINED: dict[str, Join] = {
    "mp4": lambda: MP4 + part(FRAMES),
    "mp4, index first": lambda: (
        FIRST_INDEX + part(FRAMES, container_options={"movflags": "faststart"})
    ),
    "fragments": lambda: (
        part(container_options=FRAGMENTS) + part(FRAMES, container_options=FRAGMENTS)
    ),
    "mkv": lambda: MKV + part(FRAMES, container="matroska"),
    "live mkv": lambda: (
        part(container="matroska", container_options={"live": "1"})
        + part(FRAMES, container="matroska", container_options={"live": "1"})
    ),
    "webm": lambda: (
        part(container="webm", codec="libvpx-vp9")
        + part(FRAMES, container="webm", codec="libvpx-vp9")
    ),
    "ts": lambda: TS + part(FRAMES, container="mpegts"),
    "ts, later clock": lambda: TS + part(FRAMES, container="mpegts", start=3_600_000),
    "ts, earlier clock": lambda: (
        part(container="mpegts", start=80_000_000) + part(FRAMES, container="mpegts", start=70_000)
    ),
    "ts, other packet ids": lambda: (
        TS
        + part(
            FRAMES,
            container="mpegts",
            container_options={"mpegts_start_pid": "512", "mpegts_pmt_start_pid": "4608"},
        )
    ),
    "ts, without tables": lambda: TS + joining.without_tables(part(FRAMES, container="mpegts")),
    "flv": lambda: part(container="flv") + part(FRAMES, container="flv"),
    "avi": lambda: (
        part(container="avi", codec="mpeg4") + part(FRAMES, container="avi", codec="mpeg4")
    ),
    "asf": lambda: (
        part(container="asf", codec="mpeg4") + part(FRAMES, container="asf", codec="mpeg4")
    ),
    "ivf": lambda: (
        part(container="ivf", codec="libvpx") + part(FRAMES, container="ivf", codec="libvpx")
    ),
    "old quicktime": lambda: joining.old_quicktime(MP4) + joining.old_quicktime(part(FRAMES)),
    "m2ts": lambda: (
        part(container="mpegts", container_options={"mpegts_m2ts_mode": "1"})
        + part(FRAMES, container="mpegts", container_options={"mpegts_m2ts_mode": "1"})
    ),
    "vob": lambda: joining.mpeg2("vob") + joining.mpeg2("vob", FRAMES),
    "mxf": lambda: joining.mpeg2("mxf") + joining.mpeg2("mxf", FRAMES),
    "mp4, sound": lambda: part(sound=True) + part(FRAMES, sound=True),
    "mkv, sound": lambda: (
        part(container="matroska", sound=True) + part(FRAMES, container="matroska", sound=True)
    ),
    "ts, sound": lambda: (
        part(container="mpegts", sound=True) + part(FRAMES, container="mpegts", sound=True)
    ),
    "fragments at absolute positions": lambda: (
        part(container_options=joining.ABSOLUTE) + part(FRAMES, container_options=joining.ABSOLUTE)
    ),
    "fragments and mp4": lambda: part(container_options=FRAGMENTS) + part(FRAMES),
    "mp4 and fragments": lambda: MP4 + part(FRAMES, container_options=FRAGMENTS),
    "mp4 and ts": lambda: MP4 + part(FRAMES, container="mpegts"),
    "mkv and mp4": lambda: MKV + part(FRAMES),
    "ts and mkv": lambda: TS + part(FRAMES, container="matroska"),
}


@pytest.mark.parametrize("kind", JOINED)
def test_all_recordings_in_a_file_are_searched_one_after_the_other(kind: str) -> None:
    film, times, numbers = search(JOINED[kind]())
    assert film.remarks == ()
    assert abs(film.duration - 4800) <= 100
    assert_searched(numbers, 2 * FRAMES)
    assert times == sorted(times)
    assert numbers == sorted(numbers)
    for at, number in zip(times, numbers, strict=True):
        assert abs(at - 40 * number) <= 120


def test_three_recordings_of_different_sizes_are_searched() -> None:
    large = making.film(
        making.steady(FRAMES),
        lambda number: making.numbered(640, 480)(number + FRAMES),
        container="mpegts",
        codec_options=joining.KEYS,
    )
    film, _, numbers = search(TS + large + part(2 * FRAMES, container="mpegts"))
    assert len(film.recordings) == 3
    assert (film.width, film.height) == (320, 240)
    assert_searched(numbers, 3 * FRAMES)


def test_frames_that_change_size_within_a_recording_are_searched() -> None:
    small = part(start=0, container="mpegts")
    large = making.film(
        making.steady(FRAMES, start=2400),
        lambda number: making.numbered(640, 480)(number + FRAMES),
        container="mpegts",
        codec_options=joining.KEYS,
    )
    film, times, numbers = search(small + large)
    assert len(film.recordings) == 1
    assert_searched(numbers, 2 * FRAMES)
    assert times[-1] == 4600


def test_a_recording_after_one_that_was_cut_off_is_searched_too() -> None:
    film, _, numbers = search(MKV[: len(MKV) * 2 // 3] + part(FRAMES, container="matroska"))
    assert "cut off" in film.remarks[0]
    assert_searched([number for number in numbers if number >= FRAMES], FRAMES, FRAMES)
    assert_searched([number for number in numbers if number < FRAMES], 30)


@pytest.mark.parametrize("rest", [part(FRAMES)[:3000], b"no film" * 1000], ids=["cut off", "text"])
def test_bytes_after_the_film_that_are_no_film_are_reported(rest: bytes) -> None:
    film, _, numbers = search(MP4 + rest)
    (remark,) = film.remarks
    assert f"The bytes {len(MP4)} to {len(MP4) + len(rest)} of the file were not searched" in remark
    assert_searched(numbers, FRAMES)


def test_zeros_after_the_film_are_no_part_of_it() -> None:
    film, _, numbers = search(MP4 + bytes(5000))
    assert film.remarks == ()
    assert_searched(numbers, FRAMES)


def test_a_clock_that_goes_back_within_a_recording_hides_nothing() -> None:
    data = part(
        count=2 * FRAMES, container="matroska", container_options={"cluster_time_limit": "300"}
    )
    film, times, numbers = search(joining.set_clusters_back(data, 1200))
    assert (len(film.recordings), film.recordings[0].steady) == (1, False)
    assert abs(film.duration - 4800) <= 200
    assert_searched(numbers, 2 * FRAMES)
    assert times == sorted(times)


def test_a_clock_that_wraps_hides_nothing() -> None:
    data = part(container="mpegts", start=2**33 // 90 - 1200)
    film, _, numbers = search(data)
    assert film.duration == 2400
    assert_searched(numbers, FRAMES)


@pytest.mark.parametrize("container", ["matroska", "mpegts"])
def test_a_film_that_starts_before_zero_is_searched_from_its_first_frame(container: str) -> None:
    film, times, numbers = search(part(start=-500, container=container))
    assert film.duration == 2400
    assert times[0] == 0
    assert_searched(numbers, FRAMES)


def test_a_film_whose_edit_list_shows_a_small_part_of_it_says_so() -> None:
    rng = np.random.default_rng(1)
    noise = [rng.integers(0, 256, (240, 320, 3), np.uint8) for _ in range(4)]
    data = making.film(
        making.steady(40), lambda number: noise[number % 4], codec_options={"g": "5"}
    )
    scale = struct.unpack_from(">I", data, data.index(b"mvhd") + 16)[0]
    film = films.probe(io.BytesIO(joining.set_number(data, b"elst", 12, scale // 2)))
    assert film.duration < 1000
    (remark,) = film.remarks
    assert "% of the file contain no pictures that a player shows" in remark


THUMBNAIL = making.film(
    [0], making.numbered(160, 120), container="mov", codec="mjpeg", pixel_format="yuvj420p"
)


@pytest.mark.parametrize("defaults", [(), (0,), (1,), (0, 1)])
@pytest.mark.parametrize("container", ["mov", "mp4", "matroska"])
def test_a_thumbnail_track_is_not_the_film(container: str, defaults: tuple[int, ...]) -> None:
    data = joining.several_tracks([THUMBNAIL, MP4], container=container, defaults=defaults)
    film, _, numbers = search(data)
    assert (film.codec, film.remarks) == ("h264", ())
    assert_searched(numbers, FRAMES)


@pytest.mark.parametrize(("defaults", "searched"), [((), 0), ((0,), 0), ((1,), 1)])
@pytest.mark.parametrize("container", ["mp4", "matroska"])
def test_of_several_films_the_default_one_is_searched_and_the_others_are_reported(
    container: str, defaults: tuple[int, ...], searched: int
) -> None:
    data = joining.several_tracks([MP4, part(FRAMES)], container=container, defaults=defaults)
    film, _, numbers = search(data)
    assert film.remarks == (
        f"The file has 2 video tracks that may be the film; only track {searched} was searched.",
    )
    assert_searched(numbers, FRAMES, searched * FRAMES)
