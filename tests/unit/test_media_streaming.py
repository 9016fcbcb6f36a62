"""A live stream is decoded and its faces are tracked, whatever its producer does."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from PIL import Image as pillow
from PIL import ImageOps

from facedex.media.decoding import Decoder, Shot
from facedex.media.matroska import contents, tags
from facedex.media.matroska.live import Coded, Ending, Event, Opening, read_live
from facedex.media.matroska.matroska_errors import MatroskaError, NoVideo, StreamFailed
from facedex.media.pacing import Moment, Pace
from facedex.media.tracking import Tracker
from facedex.media.views import MOST, is_clear, is_passable
from facedex.media.watching import Watcher
from facedex.vision.images import Image
from facedex.vision.packs import Pack
from tests.media.kinesis import matroska
from tests.media.making import film, number_of, numbered, sound_only, steady

COUNT, RATE = 30, 10


def encoded(codec: str = "libx264", **options: Any) -> bytes:
    """Return three seconds of numbered frames, with a key frame each second."""
    chosen = {"g": "10", "bf": "0", "sc_threshold": "0", **options}
    if codec != "libx264":
        chosen = {"g": "10", "b": "4000000", "x265-params": "bframes=0:keyint=10:log-level=none"}
    container = "mp4" if codec != "mjpeg" else "matroska"
    return film(
        steady(COUNT, RATE),
        numbered(),
        rate=RATE,
        codec=codec,
        container=container,
        codec_options=chosen,
        pixel_format="yuvj420p" if codec == "mjpeg" else "yuv420p",
    )


def answer(media: bytes, *, start: int = 1_700_000_000_000, first: int = 1) -> list[bytes]:
    """Return a film's fragments as GetMedia sends them."""
    head, clusters = matroska(media, start=start)
    return [
        head
        + contents.write_tags(
            {
                tags.NUMBER: str(number),
                tags.SERVER_TIMESTAMP: f"{start / 1000 + number}",
                tags.PRODUCER_TIMESTAMP: f"{start / 1000 + number - first}",
            }
        )
        + cluster
        + contents.write_tags({tags.MILLIS_BEHIND_NOW: "40", tags.CONTINUATION_TOKEN: f"t{number}"})
        for number, cluster in enumerate(clusters, first)
    ]


def shots(events: Iterator[Event], decoder: Decoder) -> Iterator[Shot]:
    for event in events:
        if isinstance(event, Opening):
            yield from decoder.open(event)
        elif isinstance(event, Coded):
            yield from decoder.decode(event)
    yield from decoder.drain()


def shown(found: Sequence[Shot]) -> list[int]:
    return [number_of(each.frame.to_ndarray(format="rgb24")) for each in found]  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def media() -> list[bytes]:
    return answer(encoded())


@pytest.mark.parametrize("size", [1, 700, 1 << 20])
def test_events_do_not_depend_on_how_the_stream_is_cut(media: list[bytes], size: int) -> None:
    data = b"".join(media)
    events = list(read_live(data[at : at + size] for at in range(0, len(data), size)))
    assert events == list(read_live([data]))
    assert [each.number for each in events if isinstance(each, Opening)] == ["1", "2", "3"]
    endings = [each for each in events if isinstance(each, Ending)]
    assert [each.continuation_token for each in endings] == ["t1", "t2", "t3"]
    assert endings[0].millis_behind_now == 40


def test_a_frame_is_there_before_its_fragment_has_ended(media: list[bytes]) -> None:
    whole = media[0]
    events = list(read_live([whole[: 3 * len(whole) // 4]]))
    assert isinstance(events[0], Opening)
    assert sum(isinstance(each, Coded) for each in events) >= 3
    assert not any(isinstance(each, Ending) for each in events)


def test_the_services_error_ends_the_stream(media: list[bytes]) -> None:
    said = contents.write_tags({tags.ERROR_CODE: "gone", tags.ERROR_ID: "4000"})
    with pytest.raises(StreamFailed, match=r"gone \(4000\)"):
        list(read_live([media[0], said]))


def test_damaged_fragments_have_no_ending_and_are_reported(media: list[bytes]) -> None:
    broken = media[1][: len(media[1]) // 2]
    damage: list[MatroskaError] = []
    garbage = np.random.default_rng(1).bytes(5000)
    events = list(read_live([media[0], broken, garbage, media[2]], damaged=damage.append))
    assert [each.number for each in events if isinstance(each, Ending)] == ["1", "3"]
    assert damage


@pytest.mark.parametrize("codec", ["libx264", "libx265", "mjpeg"])
def test_every_frame_is_decoded_with_its_fragment_and_offset(codec: str) -> None:
    found = list(shots(read_live(answer(encoded(codec))), Decoder()))
    assert shown(found) == list(range(COUNT))
    at = [round(each.at - 1_700_000_000, 3) for each in found]
    assert all(each.offset >= 0 for each in found)
    if codec != "mjpeg":  # every frame of it is a key frame
        assert at == pytest.approx([number / RATE for number in range(COUNT)])


def test_frames_that_are_shown_later_than_decoded_keep_their_fragment() -> None:
    events = read_live(answer(encoded(bf="3", flags="+cgop")))
    decoder = Decoder()
    found = list(shots(events, decoder))
    assert shown(found) == list(range(COUNT))
    assert [each.opening.number for each in found] == [str(1 + n // 10) for n in range(COUNT)]


def test_the_decoder_continues_across_fragments_and_changes_of_codec() -> None:
    small = film(
        steady(10, RATE), numbered(160, 120), rate=RATE, codec_options={"g": "10", "bf": "0"}
    )
    parts = [
        *answer(encoded()),
        *answer(small, first=4),
        *answer(encoded("mjpeg"), first=5),
        *answer(encoded(), first=35),
    ]
    found = list(shots(read_live(parts), Decoder()))
    assert shown(found) == [*range(30), *range(10), *range(30), *range(30)]
    assert {each.frame.width for each in found} == {320, 160}


def test_a_stream_that_begins_between_key_frames_is_shown_from_the_next_one_on() -> None:
    events = list(read_live(answer(encoded())))
    key = next(n for n, each in enumerate(events) if isinstance(each, Coded) and each.key)
    del events[key]
    assert shown(list(shots(iter(events), Decoder()))) == list(range(10, 30))


def test_undecodable_frames_are_dropped() -> None:
    drawn = np.random.default_rng(2)
    events = [
        Coded(each.track, each.offset, each.key, drawn.bytes(len(each.data)))
        if isinstance(each, Coded) and 12 <= number < 18
        else each
        for number, each in enumerate(read_live(answer(encoded())))
    ]
    found = shown(list(shots(iter(events), Decoder())))
    assert found[:9] == list(range(9))
    assert found[-10:] == list(range(20, 30))


def test_a_stream_without_video_is_refused() -> None:
    with pytest.raises(NoVideo, match="has no video track"):
        list(shots(read_live(answer(sound_only())), Decoder()))


def taken(times: Sequence[float], rate: float = 5) -> list[tuple[float, Moment]]:
    pace = Pace(rate)
    return [(at, moment) for at in times if (moment := pace.choose(at))]


def test_five_frames_a_second_are_analysed_as_in_a_stored_film() -> None:
    # 30 frames per second, in full milliseconds of a clock that began at any time.
    times = [1_700_000_000.337 + round(1000 * number / 30) / 1000 for number in range(90)]
    found = [round(at - times[0], 3) for at, _ in taken(times)]
    assert found == pytest.approx([number / 5 for number in range(15)])


@pytest.mark.parametrize("jump", [-3600.0, 3600.0, -0.5, 10.5])
def test_a_clock_jump_is_followed_and_reported(jump: float) -> None:
    before = [number / 10 for number in range(20)]
    found = taken(before + [jump + 2 + number / 10 for number in range(20)])
    moments = [moment for _, moment in found]
    assert [each.jumped for each in moments].count(True) == 1
    assert len(moments) == 20
    timestamps = [each.timestamp for each in moments]
    assert timestamps == sorted(set(timestamps))


def test_a_stopped_clock_does_not_end_the_watch() -> None:
    assert len(taken([5.0] * 300)) >= 9


@pytest.fixture(scope="module")
def scene(portraits: dict[str, bytes]) -> Image:
    pixels = np.full((360, 640, 3), 128, np.uint8)
    for place, content in enumerate(portraits.values()):
        with pillow.open(io.BytesIO(content)) as opened:
            face = np.asarray(ImageOps.fit(opened.convert("RGB"), (200, 240)))
        pixels[40:280, 20 + 300 * place : 220 + 300 * place] = face
    return Image(pixels, 640, 360)


def test_a_face_that_stays_is_one_track_and_is_searched_for_rarely(
    pack: Pack, scene: Image
) -> None:
    watcher = Watcher(pack)
    versions: dict[int, set[int]] = {}
    for number in range(60):
        for seen in watcher.see(Moment(200 * number, False), scene):
            assert seen.probe is not None
            versions.setdefault(seen.track, set()).add(seen.probe.version)
    assert set(versions) == {0, 1}
    # Views of new intervals, whose length increases.
    assert all(len(each) <= 3 * MOST for each in versions.values())


def shaded(scene: Image, light: float) -> Image:
    """Return the scene with a fraction of its light."""
    return Image((scene.pixels * light).astype(np.uint8), scene.width, scene.height)


def test_a_face_is_searched_for_at_once_and_again_while_it_is_new(pack: Pack, scene: Image) -> None:
    watcher = Watcher(pack)
    versions = [
        {
            seen.probe.version
            for seen in watcher.see(Moment(200 * number, False), scene)
            if seen.probe
        }
        for number in range(5)
    ]
    assert versions == [{1}, {2}, {3}, {4}, {5}]


def test_a_dim_face_is_searched_for_if_it_could_be_enrolled_until_there_is_a_clear_view(
    pack: Pack, scene: Image
) -> None:
    clear = pack.embed(scene, pack.find(scene, longest_side=640))
    for light, bars in ((0.12, 0), (0.22, 1)):
        faces = pack.find(shaded(scene, light), longest_side=640)
        assert [is_clear(face) + is_passable(face) for face in faces] == [bars, bars]
    watcher = Watcher(pack)
    dark, dim, lit = (
        watcher.see(Moment(200 * number, False), shaded(scene, light))
        for number, light in enumerate((0.12, 0.22, 1.0))
    )
    assert [seen.probe for seen in dark] == [None, None]
    for before, after, vector in zip(dim, lit, clear, strict=True):
        assert before.probe is not None
        assert after.probe is not None
        assert after.track == before.track
        assert after.probe.version > before.probe.version
        # The dim view no longer contributes to it.
        assert after.probe.vector @ vector > 0.9999


def test_a_jump_or_another_size_ends_every_track(pack: Pack, scene: Image) -> None:
    watcher = Watcher(pack)
    small = Image(np.ascontiguousarray(scene.pixels[::2, ::2]), 320, 180)
    tracks = [
        {seen.track for seen in watcher.see(moment, image)}
        for moment, image in (
            (Moment(0, False), scene),
            (Moment(200, False), scene),
            (Moment(400, True), scene),
            (Moment(600, False), small),
        )
    ]
    assert tracks == [{0, 1}, {0, 1}, {2, 3}, {4, 5}]


def test_a_track_that_never_ends_does_not_grow(pack: Pack, scene: Image) -> None:
    tracker = Tracker(pack, endless=True)
    faces = pack.find(scene, longest_side=640)
    for number in range(3000):
        tracker.see(200 * number, scene, faces)
    (one, other) = tracker._live
    for track in (one, other):
        assert track.count == 3000
        assert not track.sightings
        assert not track.jumps
        assert len(track.views.in_order()) <= MOST
    tracker.cut()
    assert tracker.pop_ended() == []
    assert tracker._ended == []
