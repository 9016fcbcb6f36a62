"""The analysed frames of a film, their times and their orientation."""

from __future__ import annotations

import gc
import io
from itertools import pairwise

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from facedex.media import films, frames, segments
from facedex.media.display_order import DisplayOrder, corrected
from facedex.media.segments import FOREVER, Grid, Segment
from tests.media import making

WHOLE = Segment(0, 0, FOREVER)


def looked_at(data: bytes, rate: float, segment: Segment = WHOLE) -> list[tuple[int, int]]:
    """Return the time and the number of each analysed frame."""
    seen = frames.sample(io.BytesIO(data), segment, Grid(rate))
    return [(at, making.number_of(image.pixels)) for at, image in seen]


def in_pieces(data: bytes, rate: float, seconds: float) -> tuple[int, list[tuple[int, int]]]:
    pieces = segments.cut(films.probe(io.BytesIO(data)), seconds=seconds, rate=rate)
    return len(pieces), [frame for piece in pieces for frame in looked_at(data, rate, piece)]


def first_of_each_cell(times: list[int], rate: float) -> list[tuple[int, int]]:
    cells: dict[int, tuple[int, int]] = {}
    for number, time in enumerate(times):
        cells.setdefault(int(time * rate // 1000), (time, number))
    return list(cells.values())


STEADY = making.steady(150)
UNSTEADY = np.cumsum(np.random.default_rng(3).integers(5, 180, size=150)).tolist()
UNSTEADY = [time - UNSTEADY[0] for time in UNSTEADY]
CLOSED = {"g": "20", "bf": "2"}
OPEN = {"g": "20", "bf": "3", "x264-params": "open-gop=1:b-pyramid=normal:scenecut=0"}


@pytest.mark.parametrize("times", [STEADY, UNSTEADY], ids=["steady", "unsteady"])
@pytest.mark.parametrize("rate", [1, 3, 5, 8])
def test_the_first_frame_of_each_part_of_a_second_is_analysed(times: list[int], rate: int) -> None:
    data = making.film(times, codec_options=CLOSED)
    assert looked_at(data, rate) == first_of_each_cell(times, rate)


@pytest.mark.parametrize("seconds", [0.5, 1, 2.3])
@pytest.mark.parametrize(
    ("container", "codec", "options"),
    [
        ("mp4", "libx264", CLOSED),
        ("mp4", "libx264", OPEN),
        ("matroska", "libx264", OPEN),
        ("mpegts", "libx264", OPEN),
        ("mp4", "libx265", {"x265-params": "keyint=20:bframes=3:log-level=none"}),
        ("webm", "libvpx-vp9", {"g": "20", "deadline": "realtime", "cpu-used": "8"}),
    ],
    ids=["closed", "open", "mkv", "ts", "hevc", "vp9"],
)
def test_the_same_frames_are_analysed_however_a_film_is_cut(
    container: str, codec: str, options: dict[str, str], seconds: float
) -> None:
    times = making.steady(150) if container == "mpegts" else UNSTEADY
    data = making.film(times, container=container, codec=codec, codec_options=options)
    count, pieces = in_pieces(data, 5, seconds)
    assert count > 1
    assert pieces == looked_at(data, 5)
    assert len(pieces) >= 25


@pytest.mark.parametrize("key_frames", ["15", "20"])
@pytest.mark.parametrize("rate", [5, 8, 25])
def test_pictures_without_a_time_of_their_own_are_analysed(rate: int, key_frames: str) -> None:
    # In an MPEG program stream, a time is stated only for the first frame in a packet.
    options = {"g": key_frames, "bf": "2"}
    data = making.film(STEADY, container="mpeg", codec_options=options)
    with av.open(io.BytesIO(data), "r") as container:
        untimed = sum(packet.pts is None for packet in container.demux() if packet.size)
    assert untimed > len(STEADY) / 2
    assert looked_at(data, rate) == first_of_each_cell(STEADY, rate)


@pytest.mark.parametrize("container", ["avi", "asf"])
@pytest.mark.parametrize(
    ("codec", "options"),
    [
        ("libx264", {"g": "20", "bf": "0"}),
        ("libx264", CLOSED),
        ("libx264", {"g": "20", "bf": "3", "x264-params": "b-pyramid=normal"}),
        ("mpeg4", {"g": "20", "bf": "0"}),
        ("mpeg4", CLOSED),
    ],
    ids=["h264", "h264-b", "h264-pyramid", "mpeg4", "mpeg4-b"],
)
def test_films_that_state_only_when_pictures_are_decoded_have_the_right_times(
    container: str, codec: str, options: dict[str, str]
) -> None:
    data = making.film(STEADY, container=container, codec=codec, codec_options=options)
    assert looked_at(data, 5) == first_of_each_cell(STEADY, 5)
    count, pieces = in_pieces(data, 5, 1)
    assert count > 1
    assert pieces == looked_at(data, 5)


def test_times_are_right_again_at_the_key_frame_after_lost_pictures() -> None:
    options = CLOSED | {"sc_threshold": "0"}
    data = making.film(STEADY, container="avi", codec_options=options)
    order = DisplayOrder()
    found = {}
    with av.open(io.BytesIO(data), "r") as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        packets = corrected(container, stream, container.demux(stream))
        for place, packet in enumerate(packets):
            order.enter(packet)
            if not 24 <= place < 30:  # as if they could not be decoded
                for frame in stream.codec_context.decode(packet if packet.size else None):
                    number = making.number_of(
                        np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
                    )
                    found[number] = order.time(frame)
    assert len(found) < len(STEADY)
    expected = {number: time for number, time in enumerate(STEADY) if number < 20 or number >= 40}
    assert {number: time for number, time in found.items() if number in expected} == expected


def test_a_fragmented_film_is_cut_without_loss() -> None:
    flags = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    data = making.film(STEADY, codec_options=CLOSED, container_options=flags)
    count, pieces = in_pieces(data, 5, 1)
    assert count > 1
    assert pieces == looked_at(data, 5) == first_of_each_cell(STEADY, 5)


@pytest.mark.parametrize("container", ["mp4", "matroska", "mpegts"])
def test_a_film_that_starts_late_is_timed_from_its_start(container: str) -> None:
    data = making.film(making.steady(50, start=70_000), container=container)
    assert looked_at(data, 5)[:2] == [(0, 0), (200, 5)]


def test_pictures_that_follow_the_sound_keep_their_distance() -> None:
    data = making.film(making.steady(50, start=500), sound=True)
    assert looked_at(data, 5)[0] == (500, 0)


def test_frames_outside_the_edit_list_are_ignored() -> None:
    data = making.skip_start(making.film(STEADY, codec_options=CLOSED), 520)
    assert looked_at(data, 5)[:2] == [(0, 13), (200, 18)]
    assert in_pieces(data, 5, 1)[1] == looked_at(data, 5)


# The later parts begin between key frames, so they refer to frames that are not shown.
PARTS = [(0, 2000), (3120, 1480), (5040, 800)]


@pytest.mark.parametrize("length", [200, 600, FOREVER])
def test_each_part_of_an_edit_list_is_analysed_however_the_film_is_cut(length: int) -> None:
    data = making.edit(making.film(STEADY, codec_options=CLOSED), PARTS)
    starts = [0, 2000, 3480]
    shown = [
        (start + time - begin, number)
        for start, (begin, length) in zip(starts, PARTS, strict=True)
        for number, time in enumerate(STEADY)
        if begin <= time < begin + length
    ]
    cells: dict[int, tuple[int, int]] = {}
    for time, number in shown:
        cells.setdefault(time // 200, (time, number))
    pieces = [Segment(0, start, start + length) for start in range(0, shown[-1][0], length)]
    found = [frame for piece in pieces for frame in looked_at(data, 5, piece)]
    assert found == list(cells.values())


def test_a_film_ends_where_its_edit_list_does() -> None:
    data = making.edit(making.film(STEADY, codec_options=CLOSED), [(0, 2000)])
    film = films.probe(io.BytesIO(data))
    assert abs(film.duration - 2000) <= 80  # two frames, by which decoding is ahead


@pytest.mark.parametrize(
    ("rotation", "flip"),
    [(0, False), (90, False), (180, False), (-90, False), (90, True), (0, True)],
)
def test_frames_are_turned_as_players_turn_them(rotation: int, flip: bool) -> None:
    data = making.film([0, 40], rotation=rotation, flip=flip)
    (_, image), *_ = frames.sample(io.BytesIO(data), WHOLE, Grid(5))
    stored = making.numbered()(0)
    expected = np.rot90(stored, rotation // 90)
    if flip:
        expected = expected[:, ::-1]
    assert image.pixels.shape == expected.shape
    assert (image.width, image.height) == expected.shape[1::-1]
    assert np.abs(image.pixels.astype(int) - expected.astype(int)).mean() < 12


def test_large_frames_are_reduced_but_their_size_is_kept() -> None:
    data = making.film([0, 40], making.numbered(2560, 1440), codec_options={"preset": "ultrafast"})
    (_, image), *_ = frames.sample(io.BytesIO(data), WHOLE, Grid(5))
    assert image.pixels.shape == (1080, 1920, 3)
    assert (image.width, image.height) == (2560, 1440)


def test_damage_loses_only_the_damaged_data() -> None:
    data = bytearray(making.film(STEADY, codec_options={"g": "10", "bf": "0"}))
    start, end = next(box[1:] for box in making.boxes(bytes(data)) if box[0] == "mdat")
    middle = (start + end) // 2
    data[middle : middle + 200] = bytes(200)
    seen = dict(looked_at(bytes(data), 5))
    assert len(seen) > 20
    assert seen[0] == 0


def test_segments_cover_a_film_without_gap_or_overlap() -> None:
    film = films.probe(io.BytesIO(making.film(STEADY, codec_options=CLOSED)))
    pieces = segments.cut(film, seconds=1, rate=3)
    assert [piece.number for piece in pieces] == list(range(len(pieces)))
    assert pieces[0].start == 0
    assert pieces[-1].end == FOREVER
    assert all(one.end == other.start for one, other in pairwise(pieces))


def test_frames_are_freed_without_the_garbage_collector() -> None:
    # The collector runs after a number of new objects, whatever their size: a worker would hold
    # hundreds of megabytes of pixels by then.
    data = making.film(STEADY, codec_options=CLOSED)
    gc.collect()
    before = sum(isinstance(each, VideoFrame) for each in gc.get_objects())
    gc.disable()
    try:
        assert len(looked_at(data, 5)) == 30
        after = sum(isinstance(each, VideoFrame) for each in gc.get_objects())
    finally:
        gc.enable()
    assert after == before
