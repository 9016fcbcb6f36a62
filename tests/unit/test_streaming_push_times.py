"""The times of the pictures of a film that is pushed."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from facedex_cli.push import fragments
from facedex_cli.push.acknowledgements import Acknowledgement
from facedex_cli.push.progress import Progress
from facedex_cli.push.pushing import Push
from facedex_cli.push.sources import Source
from tests.media import kinesis, making
from tests.media.fragments import Fragment, read_fragments
from tests.media.pictures import frames


class Recorder:
    """A service that accepts all that it is sent."""

    stream = "door"

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def connect(self) -> Recorder:
        self.sent.append(b"")
        return self

    def send(self, data: bytes) -> Iterator[Acknowledgement]:
        self.sent[-1] += data
        return iter(())

    def listen(self, seconds: float) -> Iterator[Acknowledgement]:
        time.sleep(seconds)
        return iter(())

    def finish(self) -> Iterator[Acknowledgement]:
        return iter(())

    def close(self) -> None:
        return


@pytest.mark.parametrize("encode", [False, True])
@pytest.mark.parametrize("b_frames", ["0", "2"])
@pytest.mark.parametrize("container", ["mpeg", "h264", "avi", "asf"])
def test_pictures_without_a_time_of_their_own_are_sent(
    tmp_path: Path, container: str, b_frames: str, encode: bool
) -> None:
    # MPEG program streams state times for some pictures only, bare H.264 for none, AVI and ASF only
    # those of decoding.
    options = {"g": "15", "bf": b_frames}
    data = making.film(making.steady(150), container=container, codec_options=options)
    found = send(making.save(data, tmp_path / "film"), encode=encode)
    assert kinesis.numbers(found) == list(range(150))
    times = times_of(found)
    assert times == pytest.approx([times[0] + 4 * number for number in range(150)], abs=2)


class Enough(Exception):
    """A push has sent enough."""


def send(film: Path, *, encode: bool = False, enough: int | None = None) -> list[Fragment]:
    """Return what a push sends of a film at ten times its speed, within a minute.

    enough: repeat the film until so many fragments have been sent.
    """

    def show(progress: Progress) -> None:
        if progress.fragments == enough:
            raise Enough

    service: Any = Recorder()
    push = Push(
        Source(str(film)),
        service,
        loop=enough is not None,
        speed=10.0,
        encode=encode,
        duration=60.0,
        show=show,
    )
    with suppress(Enough):
        push.run()
    return list(read_fragments([service.sent[-1]]))


def times_of(fragments: list[Fragment]) -> list[float]:
    return [each.timestamp + 1000 * offset for each in fragments for offset, _ in frames(each)]


@pytest.mark.parametrize("b_frames", ["0", "2"])
@pytest.mark.parametrize("container", ["avi", "asf"])
def test_a_pause_in_a_film_is_one_in_the_stream(
    tmp_path: Path, container: str, b_frames: str
) -> None:
    shown = [*range(0, 2400, 40), *range(5400, 7800, 40)]
    options = {"g": "15", "bf": b_frames}
    data = making.film(shown, container=container, codec_options=options)
    found = send(making.save(data, tmp_path / "film"))
    assert kinesis.numbers(found) == list(range(120))
    times = times_of(found)
    expected = [times[0] + each / 10 for each in shown]
    # With B-frames, the file has the pause two packets later than the film.
    assert times[:60] == pytest.approx(expected[:60], abs=2)
    assert times[62:] == pytest.approx(expected[62:], abs=2)


@pytest.mark.parametrize("encode", [False, True])
def test_pictures_before_the_first_that_states_a_time_precede_it(
    tmp_path: Path, encode: bool
) -> None:
    # As in a recording that was cut. From 0 on, the push would wait for what the clock shows.
    # FFmpeg guesses a third of its rate.
    data = making.film(
        making.steady(150),
        container="vob",
        codec_options={"g": "15", "bf": "0"},
        container_options={"output_ts_offset": "3600"},
    )
    film = making.save(without_first_time(data), tmp_path / "film")
    with av.open(str(film)) as container:
        first = next(container.demux(video=0))
        assert first.dts is None
        assert first.pts is None
    found = send(film, encode=encode)
    assert kinesis.numbers(found) == list(range(150))
    times = times_of(found)
    assert all(each < later < each + 1000 for each, later in pairwise(times))


def without_first_time(data: bytes) -> bytes:
    """Return an MPEG program stream whose first packet of video states no time."""
    place = data.index(b"\0\0\1\xe2")
    flags, length = data[place + 7], data[place + 8]
    stated = 10 if flags & 0x40 else 5
    assert flags & 0x80
    header = data[place + 9 : place + 9 + length]  # the times, and then other fields
    header = header[stated:] + b"\xff" * stated
    start = data[: place + 7] + bytes([flags & 0x3F, length])
    return start + header + data[place + 9 + length :]


def test_a_film_whose_clock_does_not_begin_at_0_is_repeated_without_a_pause(
    tmp_path: Path,
) -> None:
    data = making.film(
        making.steady(50),
        container="mpegts",
        codec_options={"g": "25", "bf": "0"},
        container_options={"output_ts_offset": "3600"},
    )
    film = making.save(data, tmp_path / "film")
    found = send(film, enough=4)[:3]  # of the last, only the beginning was sent
    assert kinesis.numbers(found)[:75] == [*range(50), *range(25)]
    times = times_of(found)[:75]
    assert times == pytest.approx([times[0] + 4 * number for number in range(75)], abs=2)


@pytest.mark.parametrize("container", ["mp4", "matroska", "mpegts"])
def test_a_film_whose_key_frames_become_rare_is_sent_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, container: str
) -> None:
    # From there on, it is encoded.
    monkeypatch.setattr(fragments, "LONGEST", 0.5)
    show = making.numbered()

    def picture(number: int) -> making.Pixels:
        pixels = show(number)
        scene = np.random.default_rng(min(number // 50, 3))  # the last one is long
        pixels[60:] = scene.integers(0, 255, (180, 320, 3))
        return pixels

    options = {"bf": "0", "g": "1000", "preset": "ultrafast", "x264-params": "scenecut=40"}
    data = making.film(making.steady(400), picture, container=container, codec_options=options)
    with av.open(io.BytesIO(data), "r") as film:
        packets = [packet for packet in film.demux(video=0) if packet.size]
        assert [number for number, each in enumerate(packets) if each.is_keyframe] == [
            *range(0, 200, 50)
        ]
    service: Any = Recorder()
    push = Push(
        Source(str(making.save(data, tmp_path / "film"))),
        service,
        loop=False,
        speed=10.0,
        encode=False,
        duration=60.0,
        show=lambda _: None,
    )
    push.run()
    assert len(service.sent) == 2
    found = [each for sent in service.sent for each in read_fragments([sent])]
    assert kinesis.numbers(found) == list(range(400))
    times = times_of(found)
    assert times == pytest.approx([times[0] + 4 * number for number in range(400)], abs=2)


class SlowService(Recorder):
    """A service that takes a second to accept a connection."""

    def connect(self) -> Recorder:
        time.sleep(1.0)
        return super().connect()


def test_film_timestamps_do_not_depend_on_the_speed_of_the_service(
    tmp_path: Path,
) -> None:
    film = making.save(kinesis.numbered_film(5), tmp_path / "door.mp4")
    service: Any = SlowService()
    began = time.time()
    Push(
        Source(str(film)),
        service,
        loop=False,
        speed=1.0,
        encode=False,
        duration=None,
        show=lambda _: None,
    ).run()
    (fragment,) = read_fragments([service.sent[-1]])
    assert began - 0.1 < fragment.timestamp / 1000 < time.time() - 1.0
