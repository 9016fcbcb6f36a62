"""The film that is pushed is the one that players show: its track, its pictures, and its times."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.stream import VideoStream
from numpy.typing import NDArray

from facedex.media import films
from facedex.media.decoding import Decoder
from facedex.media.frames import sample
from facedex.media.matroska.live import Coded, Opening, read_live
from facedex.media.orientation import to_image
from facedex.media.segments import FOREVER, Grid, Segment
from facedex_cli.stream_errors import StreamError
from tests.media import joining, kinesis, making
from tests.media.fragments import Fragment
from tests.unit.test_streaming_push_times import send, times_of

KEYS = {"g": "25", "bf": "2"}
Pixels = NDArray[np.uint8]


def pictures(fragments: list[Fragment]) -> list[Pixels]:
    """Return the pictures as a stream processor sees them."""
    decoder, shots = Decoder(), []
    for event in read_live(fragment.data for fragment in fragments):
        match event:
            case Opening():
                shots += list(decoder.open(event))
            case Coded():
                shots += list(decoder.decode(event))
    shots += list(decoder.drain())
    return [to_image(shot.frame, pixel_aspect=shot.pixel_aspect).pixels for shot in shots]


def shown(film: bytes) -> list[Pixels]:
    """Return the pictures as StartFaceSearch sees them."""
    recordings = films.probe(io.BytesIO(film)).recordings
    every = sample(io.BytesIO(film), Segment(0, 0, FOREVER), Grid(1000.0), recordings)
    return [image.pixels for _, image in every]


def assert_alike(found: list[Pixels], expected: list[Pixels]) -> None:
    assert [each.shape for each in found] == [each.shape for each in expected]
    for one, other in zip(found, expected, strict=True):
        assert np.abs(one.astype(int) - other.astype(int)).mean() < 4


@pytest.mark.parametrize(
    ("rotation", "flip"), [(90, False), (180, False), (-90, False), (90, True), (0, True)]
)
def test_a_turned_film_is_sent_upright(tmp_path: Path, rotation: int, flip: bool) -> None:
    data = making.film(making.steady(25), rotation=rotation, flip=flip, codec_options=KEYS)
    assert_alike(pictures(send(making.save(data, tmp_path / "film"))), shown(data))


def test_pixels_are_as_wide_as_the_file_states(tmp_path: Path) -> None:
    film = making.film(making.steady(25), codec_options=KEYS)
    data = making.stretched(film, Fraction(2, 1))
    found = pictures(send(making.save(data, tmp_path / "film")))
    assert found[0].shape == (240, 640, 3)
    assert_alike(found, shown(data))


def test_pixels_of_a_film_that_is_encoded_keep_their_width(tmp_path: Path) -> None:
    file = tmp_path / "film"
    with av.open(str(file), "w", format="matroska") as output:
        stream = output.add_stream("mpeg4", rate=25)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(2, 1)
        for number in range(25):
            picture = making.numbered()(number)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode(None))
    found = pictures(send(file))
    assert found[0].shape == (240, 640, 3)
    assert_alike(found, shown(file.read_bytes()))


def test_dark_and_bright_parts_of_a_film_that_is_encoded_remain_different(tmp_path: Path) -> None:
    # The pictures of many cameras have the full range of values, 0 to 255 instead of 16 to 235.
    def picture(_: int) -> Pixels:
        steps = np.linspace(0, 255, 320, dtype=np.uint8)
        return np.repeat(np.repeat(steps[None, :, None], 240, axis=0), 3, axis=2)

    data = making.film(
        making.steady(10), picture, codec="mjpeg", container="matroska", pixel_format="yuvj420p"
    )
    assert_alike(pictures(send(making.save(data, tmp_path / "film"))), shown(data))


def test_pictures_outside_an_edit_list_are_not_sent(tmp_path: Path) -> None:
    # The second part begins between key frames.
    film = making.film(making.steady(150), codec_options=KEYS)
    data = making.edit(film, [(0, 2000), (3120, 1480)])
    found = send(making.save(data, tmp_path / "film"))
    assert kinesis.numbers(found) == [*range(50), *range(78, 115)]
    times = times_of(found)
    assert times == pytest.approx([times[0] + 4 * number for number in range(87)], abs=2)


def test_a_trimmed_film_is_repeated_without_a_pause(tmp_path: Path) -> None:
    film = making.film(making.steady(50), codec_options=KEYS | {"g": "50"})
    file = making.save(making.skip_start(film, 1000), tmp_path / "film")
    found = send(file, enough=5)[:4]  # of the last, only the beginning was sent
    assert kinesis.numbers(found)[:50] == [*range(25, 50), *range(25, 50)]
    times = times_of(found)[:50]
    assert times == pytest.approx([times[0] + 4 * number for number in range(50)], abs=10)


def test_the_default_track_is_sent(tmp_path: Path) -> None:
    tracks = [making.film(making.steady(50), codec_options=KEYS), joining.part(100, count=50)]
    data = joining.several_tracks(tracks, container="matroska", defaults=[1])
    found = send(making.save(data, tmp_path / "film"))
    assert kinesis.numbers(found) == list(range(100, 150))


def test_a_song_with_a_cover_is_no_film(tmp_path: Path) -> None:
    cover = making.film([0], codec="mjpeg", container="image2pipe", pixel_format="yuvj420p")
    file = making.save(making.song_with_cover(cover), tmp_path / "song.m4a")
    with pytest.raises(StreamError, match="no video track"):
        send(file)


@pytest.mark.parametrize(("container", "start"), [("mpegts", 0), ("mpegts", 3600), ("matroska", 0)])
def test_a_recording_goes_on_when_its_clock_jumps(
    tmp_path: Path, container: str, start: int
) -> None:
    # Two recordings that were joined, the first from 100 s on. FFmpeg takes the clock of MPEG-TS
    # that goes back for one that leaps by a day.
    parts = [
        joining.part(
            60 * number, container=container, container_options={"output_ts_offset": str(begin)}
        )
        for number, begin in enumerate([100, start])
    ]
    found = send(making.save(b"".join(parts), tmp_path / "film"))
    assert kinesis.numbers(found) == list(range(120))
    times = times_of(found)
    assert times == pytest.approx([times[0] + 4 * number for number in range(120)], abs=10)
