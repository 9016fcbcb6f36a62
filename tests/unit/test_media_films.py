"""Properties of films, and the errors for files that are rejected."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from facedex.media import films
from facedex.media.film_errors import FilmError
from facedex.media.films import Film, probe
from facedex.media.ranges import RangedFile
from tests.media import making

GROUPS = {"g": "25", "bf": "2"}


def look(data: bytes) -> Film:
    return probe(io.BytesIO(data))


def test_a_film_is_described_by_what_its_file_says() -> None:
    film = look(making.film(making.steady(100), codec_options=GROUPS))
    assert (film.codec, film.format) == ("h264", "QuickTime / MOV")
    assert (film.width, film.height, film.duration) == (320, 240, 4000)
    assert film.frame_rate == pytest.approx(25, rel=0.01)
    assert film.color_range == "LIMITED"
    assert film.key_frames[0] == 0
    assert len(film.key_frames) >= 4


def test_full_colour_range_is_reported() -> None:
    assert look(making.film(making.steady(10), pixel_format="yuvj420p")).color_range == "FULL"


@pytest.mark.parametrize(
    ("container", "codec", "name"),
    [
        ("mov", "libx264", "h264"),
        ("matroska", "libx264", "h264"),
        ("mpegts", "libx264", "h264"),
        ("avi", "mpeg4", "mpeg4"),
        ("webm", "libvpx-vp9", "vp9"),
        ("mp4", "libx265", "hevc"),
        ("mp4", "libsvtav1", "av1"),
    ],
)
def test_other_containers_that_ffmpeg_reads_are_read(container: str, codec: str, name: str) -> None:
    film = look(making.film(making.steady(50), container=container, codec=codec))
    assert film.codec == name
    assert abs(film.duration - 2000) <= 80
    assert (film.width, film.height) == (320, 240)


@pytest.mark.parametrize(
    ("container", "codec"),
    [("mp4", "libx264"), ("matroska", "libx264"), ("webm", "libvpx-vp9"), ("mpegts", "libx264")],
)
def test_a_film_is_as_long_as_it_plays_wherever_its_clock_begins(
    container: str, codec: str
) -> None:
    data = making.film(making.steady(50, start=7000), container=container, codec=codec)
    assert abs(look(data).duration - 2000) <= 80


@pytest.mark.parametrize("rotation", [90, -90, 180])
def test_sizes_are_those_of_the_upright_picture(rotation: int) -> None:
    film = look(making.film(making.steady(5), rotation=rotation))
    assert (film.width, film.height) == ((320, 240) if rotation == 180 else (240, 320))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"use_editlist": "0"},
        {"movflags": "frag_keyframe+empty_moov+default_base_moof"},
    ],
)
def test_key_frames_are_where_they_are_shown(options: dict[str, str]) -> None:
    keys = {"g": "25", "keyint_min": "25", "sc_threshold": "0", "bf": "2"}
    film = look(making.film(making.steady(100), codec_options=keys, container_options=options))
    assert film.key_frames == (0, 1000, 2000, 3000)


JPEG = io.BytesIO()
Image.new("RGB", (64, 64)).save(JPEG, "JPEG")
WHOLE = making.film(making.steady(100), codec_options=GROUPS)
INDEX_FIRST = making.film(
    making.steady(100), codec_options=GROUPS, container_options={"movflags": "faststart"}
)
ENCRYPTED = making.film(
    making.steady(30),
    container_options={
        "encryption_scheme": "cenc-aes-ctr",
        "encryption_key": "0" * 32,
        "encryption_kid": "1" * 32,
    },
)
LOCKED = making.rename_entry(WHOLE, b"avc1", b"encv")
BOUGHT = making.rename_entry(WHOLE, b"avc1", b"drmi")
MKV = making.film(making.steady(100), codec_options=GROUPS, container="matroska")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (bytes(range(256)) * 100, "not a video"),
        (b"Dear reader, " * 1000, "not a video"),
        (JPEG.getvalue(), "not a video"),
        (b"#EXTM3U\n#EXTINF:5,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n", "not a video"),
        (b"ffconcat version 1.0\nfile /etc/hostname\n", "not a video"),
        (WHOLE[: len(WHOLE) // 2], "cut off"),
        (INDEX_FIRST[: INDEX_FIRST.index(b"mdat") + 40], "cut off"),
        (MKV[: MKV.index(b"\x1f\x43\xb6\x75") + 60], "cut off"),
        (MKV[:100], "cut off"),
        (ENCRYPTED, "encrypted"),
        (LOCKED, "encrypted"),
        (BOUGHT, "encrypted"),
        (making.sound_only(), "no video track"),
        (making.song_with_cover(JPEG.getvalue()), "no video track"),
    ],
    ids=[
        *("empty", "noise", "text", "photo", "playlist", "list-of-files", "index-missing"),
        *(
            "pictures-missing",
            "mkv-pictures-missing",
            "mkv-nearly-all-missing",
            "encrypted",
            "locked",
            "bought",
            "sound",
            "song-with-cover",
        ),
    ],
)
def test_an_incomplete_film_is_refused_in_one_sentence(data: bytes, words: str) -> None:
    with pytest.raises(FilmError) as refused:
        look(data)
    assert words in str(refused.value)
    assert str(refused.value).endswith(".")


def test_a_file_of_more_than_10_gigabytes_is_refused_unread() -> None:
    def never(start: int, end: int) -> bytes:
        raise AssertionError("It was read.")

    with pytest.raises(FilmError, match="10 GiB"):
        probe(RangedFile(films.LARGEST + 1, never))


def test_a_film_of_more_than_six_hours_is_refused() -> None:
    with pytest.raises(FilmError, match="hours"):
        look(making.film([0, 40, 7 * 3_600_000]))


def test_a_film_whose_header_says_seven_hours_is_refused_without_reading_it_all() -> None:
    data = making.prolong(WHOLE, 7 * 3_600_000)
    with pytest.raises(FilmError, match=r"7\.0 hours"):
        look(data)


def test_a_small_file_that_claims_millions_of_frames_is_refused_before_memory_is_taken() -> None:
    data = bytearray(making.film(making.steady(50)))
    struct.pack_into(">II", data, data.index(b"stsz") + 8, 1, 80_000_000)
    struct.pack_into(">I", data, data.index(b"stts") + 12, 80_000_000)
    struct.pack_into(">I", data, data.index(b"stsc") + 16, 80_000_000)
    with pytest.raises(FilmError, match="claims 80000000 frames"):
        look(bytes(data))


def test_a_frame_too_large_for_memory_is_refused() -> None:
    black = np.zeros((4608, 8192, 3), dtype=np.uint8)
    data = making.film([0], lambda _: black, codec_options={"preset": "ultrafast"})
    with pytest.raises(FilmError, match="pixels"):
        look(data)
