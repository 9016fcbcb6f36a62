"""Faces are tracked through films, and each track shows one person."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from facedex.media import films, people, segments
from facedex.media.following import follow
from facedex.media.people import Appearance
from facedex.media.segments import FOREVER, Segment
from facedex.media.tracking import GAP, Track
from facedex.vision import packs
from facedex.vision.packs import Pack
from tests.media import making

WHOLE = Segment(0, 0, FOREVER)
WIDTH, HEIGHT = 640, 360


@pytest.fixture(scope="module")
def pack(pack_directory: Path) -> Pack:
    return packs.load(pack_directory, threads=1)


@pytest.fixture(scope="module")
def photos(portraits: dict[str, bytes]) -> dict[str, NDArray[np.uint8]]:
    """Return the heads of two people, of about the same size."""
    heads = {}
    for name, box in {"eileen": (130, 0, 330, 240), "grace": (100, 30, 420, 400)}.items():
        with Image.open(io.BytesIO(portraits[name])) as picture:
            heads[name] = np.asarray(picture.convert("RGB").crop(box).resize((150, 180)))
    return heads


def scene(*heads: tuple[NDArray[np.uint8], float, float], shade: int = 90) -> NDArray[np.uint8]:
    """Return a picture of heads at positions x y; later ones cover earlier ones."""
    pixels = np.full((HEIGHT, WIDTH, 3), shade, dtype=np.uint8)
    pixels[:, ::40] = 255 - shade
    for head, x, y in heads:
        left, top = max(0, round(x)), max(0, round(y))
        part = head[: HEIGHT - top, : max(0, WIDTH - left)]
        pixels[top : top + part.shape[0], left : left + part.shape[1]] = part
    return pixels


def tracks_of(pack: Pack, picture: making.Picture, count: int, **options: Any) -> list[Track]:
    data = making.film(making.steady(count), picture, codec_options={"crf": "16", **options})
    return follow(io.BytesIO(data), WHOLE, pack, rate=5)


def who(track: Track, pack: Pack, photos: dict[str, NDArray[np.uint8]]) -> str:
    from facedex.vision.images import Image as Picture

    likeness = {}
    for name, head in photos.items():
        image = Picture(head, *head.shape[1::-1])
        likeness[name] = float(pack.embed(image, pack.find(image)[:1])[0] @ track.vector)
    best = max(likeness, key=lambda name: likeness[name])
    assert likeness[best] > pack.calibration.cosine(99.9)
    return best


def test_a_face_that_moves_is_one_track_at_its_places(
    pack: Pack, photos: dict[str, NDArray[np.uint8]]
) -> None:
    (track,) = tracks_of(pack, lambda n: scene((photos["grace"], 20 + 4 * n, 60)), 100)
    assert [sighting.timestamp for sighting in track.sightings] == list(range(0, 4000, 200))
    steps = np.diff([sighting.face.box.left * WIDTH for sighting in track.sightings])
    assert np.abs(steps - 20).max() < 6
    assert track.clear
    assert who(track, pack, photos) == "grace"


def test_two_people_who_pass_each_other_are_not_swapped(
    pack: Pack, photos: dict[str, NDArray[np.uint8]]
) -> None:
    def passing(n: int) -> NDArray[np.uint8]:
        return scene((photos["eileen"], 10 + 4 * n, 40), (photos["grace"], 470 - 4 * n, 90))

    tracks = tracks_of(pack, passing, 110)
    for track in tracks:
        lefts = np.array([sighting.face.box.left for sighting in track.sightings])
        goes_right = who(track, pack, photos) == "eileen"
        assert np.all(np.diff(lefts) > 0) if goes_right else np.all(np.diff(lefts) < 0)
    groups = people.merge([Appearance.of(t, 0) for t in tracks], cosine=same(pack))
    assert len(groups) == 2


def same(pack: Pack) -> float:
    return pack.calibration.cosine(people.SAME_PERSON)


def test_another_person_at_the_same_place_after_a_cut_is_another_track(
    pack: Pack, photos: dict[str, NDArray[np.uint8]]
) -> None:
    def cut(n: int) -> NDArray[np.uint8]:
        return scene((photos["eileen" if n < 50 else "grace"], 240, 80))

    tracks = tracks_of(pack, cut, 100)
    assert [who(track, pack, photos) for track in tracks] == ["eileen", "grace"]
    assert tracks[0].sightings[-1].timestamp == 1800
    assert tracks[1].sightings[0].timestamp == 2000


def test_a_person_who_comes_back_is_another_track_of_the_same_person(
    pack: Pack, photos: dict[str, NDArray[np.uint8]]
) -> None:
    away = range(50, 50 + GAP // 40 + 15)

    def back(n: int) -> NDArray[np.uint8]:
        return scene() if n in away else scene((photos["eileen"], 100 if n < 50 else 400, 80))

    tracks = tracks_of(pack, back, 150)
    assert len(tracks) == 2
    assert people.merge([Appearance.of(t, 0) for t in tracks], cosine=same(pack)) == [[0, 1]]


def test_a_film_without_faces_has_no_tracks(pack: Pack) -> None:
    assert tracks_of(pack, lambda _: scene(), 30) == []


def test_a_film_in_pieces_shows_the_same_faces_and_people(
    pack: Pack, photos: dict[str, NDArray[np.uint8]]
) -> None:
    def both(n: int) -> NDArray[np.uint8]:
        return scene((photos["eileen"], 20 + n, 60), (photos["grace"], 450, 20 + n))

    data = making.film(making.steady(130), both, codec_options={"g": "25", "crf": "16"})
    pieces = segments.cut(films.probe(io.BytesIO(data)), seconds=1, rate=5)
    assert len(pieces) > 3
    parts = [(p.number, t) for p in pieces for t in follow(io.BytesIO(data), p, pack, rate=5)]
    whole = follow(io.BytesIO(data), WHOLE, pack, rate=5)

    def places(tracks: list[Track]) -> list[tuple[int, tuple[float, ...]]]:
        return sorted((s.timestamp, tuple(s.face.box)) for t in tracks for s in t.sightings)

    assert places([track for _, track in parts]) == places(whole)
    appearances = [Appearance.of(track, number) for number, track in parts]
    assert len(people.merge(appearances, cosine=same(pack))) == len(whole) == 2


def test_tracking_is_deterministic(pack: Pack, data: Path) -> None:
    with (data / "video" / "short_hamilton_clip.mp4").open("rb") as source:
        one, other = (follow(source, WHOLE, pack, rate=5) for _ in range(2))
    assert [t.best for t in one] == [t.best for t in other]
    assert all(np.array_equal(a.vector, b.vector) for a, b in zip(one, other, strict=True))


def test_in_a_real_film_shots_separate_tracks_and_vectors_join_them(pack: Pack, data: Path) -> None:
    """The singer is seen small from 0.8 s to 1.4 s and large from 3.6 s to 7.8 s."""
    with (data / "video" / "short_hamilton_clip.mp4").open("rb") as source:
        tracks = follow(source, WHOLE, pack, rate=5)
    shots = [(0, 1500), (1500, 3500), (3500, 7900), (7900, 11_000)]
    for track in tracks:
        first, last = track.sightings[0].timestamp, track.sightings[-1].timestamp
        assert any(start <= first <= last < end for start, end in shots)
    groups = people.merge([Appearance.of(t, 0) for t in tracks], cosine=same(pack))
    (singer,) = [group for group in groups if len(group) > 1]
    times = [(tracks[i].sightings[0].timestamp, tracks[i].sightings[-1].timestamp) for i in singer]
    assert times == [(844, 1411), (3613, 7818)]


def test_the_callback_sees_every_frame_and_can_stop_the_work(pack: Pack) -> None:
    data = making.film(making.steady(50), lambda _: scene())
    heard: list[int] = []
    follow(io.BytesIO(data), WHOLE, pack, rate=5, heartbeat=heard.append)
    assert heard == list(range(0, 2000, 200))

    def stop(at: int) -> None:
        raise TimeoutError("Enough.")

    with pytest.raises(TimeoutError, match="Enough"):
        follow(io.BytesIO(data), WHOLE, pack, rate=5, heartbeat=stop)
