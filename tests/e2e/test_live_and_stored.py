"""One video, pushed as a live stream and searched as a stored video, has the same faces and people.

docs/streams.md describes the intended differences: a live record does not depend on later frames.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from facedex.vision.geometry import overlaps
from tests.conftest import Server
from tests.e2e.films import Studio
from tests.e2e.streaming import Scene, moment
from tests.e2e.test_stream_push import push
from tests.media import making

CELL = 200  # ms between two searched frames of a video
SHADE = 0.22  # of the light: below the limit for clear views, above that for indexing


class Sight(NamedTuple):
    """A face in a frame, and its matches."""

    box: NDArray[np.float32]  # x1 y1 x2 y2, ratios
    names: frozenset[str]


Sights = dict[int, list[Sight]]  # by time in the video, in ms


@pytest.fixture
def scene(server: Server, studio: Studio) -> Iterator[Scene]:
    made = Scene(server, studio.name)
    yield made
    made.stop()


@pytest.fixture
def studio(server: Server, portraits: dict[str, bytes]) -> Studio:
    return Studio(server, portraits)


def sight(face: Any, matches: Any) -> Sight:
    box = face["BoundingBox"]
    left, top, width, height = (box[side] for side in ("Left", "Top", "Width", "Height"))
    return Sight(
        np.array([left, top, left + width, top + height], np.float32),
        frozenset(match["Face"]["ExternalImageId"] for match in matches),
    )


def stored_search(studio: Studio, film: bytes) -> Sights:
    """Return the result of GetFaceSearch for a video."""
    job_id = studio.start(studio.put(f"{uuid4().hex}.mp4", film))
    answer = studio.wait(job_id)
    assert answer["JobStatus"] == "SUCCEEDED", answer
    persons = list(answer["Persons"])
    while token := answer.get("NextToken"):
        answer = studio.rekognition.get_face_search(JobId=job_id, NextToken=token)
        persons += answer["Persons"]
    found: Sights = {}
    for each in persons:
        seen = sight(each["Person"]["Face"], each.get("FaceMatches", ()))
        found.setdefault(each["Timestamp"], []).append(seen)
    return found


def live_search(scene: Scene, film: Path) -> Sights:
    """Push a video with ``facedex stream push``, and return its records by time in the video."""
    with av.open(str(film)) as opened:
        times = [
            each.pts * each.time_base for each in opened.demux(video=0) if each.pts is not None
        ]
    scene.start()
    scene.wait("RUNNING")
    pushing = push(scene.server, str(film), scene.name)
    due = max(times) - min(times) - CELL / 1000
    records = scene.collect(lambda came: bool(came) and moment(came[-1]) - moment(came[0]) > due)
    _, errors = pushing.communicate(timeout=60)
    assert pushing.returncode == 0, errors
    start = moment(records[0])
    return {
        round(1000 * (moment(record) - start)): [
            sight(face["DetectedFace"], face["MatchedFaces"])
            for face in record["FaceSearchResponse"]
        ]
        for record in records
    }


def pairs(
    live: Sequence[Sight], stored: Sequence[Sight], least: float
) -> list[tuple[Sight, Sight]]:
    """Pair the faces of two results for one frame that have the same position."""
    left = list(stored)
    found = []
    for one in live:
        if not left:
            break
        shared = overlaps(one.box, np.stack([other.box for other in left]))
        best = int(shared.argmax())
        if shared[best] >= least:
            found.append((one, left.pop(best)))
    return found


def play(portraits: dict[str, bytes]) -> bytes:
    """Return a video: one person, two people, an empty room, both people swapped in bad light."""
    heads = []
    for content in portraits.values():
        with Image.open(io.BytesIO(content)) as opened:
            heads.append(np.asarray(ImageOps.fit(opened.convert("RGB"), (200, 240))))
    one, other = heads

    def picture(number: int) -> NDArray[np.uint8]:
        pixels = np.full((360, 640, 3), 128, np.uint8)
        x = 10 + 2 * (number % 30)
        if number < 30:
            pixels[40:280, x : x + 200] = one
            if number >= 10:
                pixels[60:300, 310 + x : 510 + x] = other
        elif number >= 40:
            pixels[40:280, x : x + 200] = other
            pixels[60:300, 310 + x : 510 + x] = one
            pixels = (pixels * SHADE).astype(np.uint8)
        return pixels

    # As recommended for cameras: a key frame each second, at which a fragment begins.
    options = {"g": "10", "bf": "0", "sc_threshold": "0", "crf": "18"}
    return making.film(making.steady(60, 10), picture, rate=10, codec_options=options)


def test_a_live_film_shows_the_faces_and_people_of_its_stored_search_in_every_frame(
    scene: Scene, studio: Studio, portraits: dict[str, bytes], tmp_path: Path
) -> None:
    film = play(portraits)
    live = live_search(scene, making.save(film, tmp_path / "play.mp4"))
    stored = stored_search(studio, film)
    assert list(live) == list(range(0, 6000, CELL))
    assert {at for at, seen in live.items() if seen} == set(stored)
    for at, seen in live.items():
        same = pairs(seen, stored.get(at, []), 0.95)
        assert len(same) == len(seen) == len(stored.get(at, []))
        assert [one.names for one, _ in same] == [other.names for _, other in same], at
    one, other = portraits
    assert {name for each in live[0] for name in each.names} == {one}
    assert {name for each in live[1000] for name in each.names} == {one, other}
    assert {name for each in live[4000] for name in each.names} == {one, other}


def test_a_real_film_shows_the_same_faces_and_people_live_and_stored(
    scene: Scene, studio: Studio, data: Path
) -> None:
    path = data / "video" / "short_hamilton_clip.mp4"
    enrol(studio, path, {"speaker": 6400, "profile": 8200})
    live, stored = live_search(scene, path), stored_search(studio, path.read_bytes())
    first = min(stored)
    same: list[tuple[Sight, Sight]] = []
    seen: list[set[str]] = []
    found: list[set[str]] = []
    for at, sights in live.items():
        # The video begins between two sampling times, so the frames may differ by one.
        near = min(stored, key=lambda other: abs(other - first - at))
        assert abs(near - first - at) < CELL / 4
        same += pairs(sights, stored[near], 0.4)
        seen.append({name for each in sights for name in each.names})
        found.append({name for each in stored[near] for name in each.names})
    most = max(sum(map(len, live.values())), sum(map(len, stored.values())))
    assert len(same) >= 0.9 * most > 100
    # A live search reports a face before its clearest view has come; a stored one knows them all.
    assert sum(one.names == other.names for one, other in same) >= 0.9 * len(same)
    for name in ("speaker", "profile"):
        both = sum(name in one and name in other for one, other in zip(seen, found, strict=True))
        assert both >= 10
        # A live result cannot depend on later frames of a face.
        assert both >= 0.75 * sum(name in each for each in found)
        assert both >= 0.9 * sum(name in each for each in seen)


def enrol(studio: Studio, film: Path, moments: dict[str, int]) -> None:
    """Index the largest face of a frame, as a user who only has the video does."""
    left = dict(moments)
    with av.open(str(film)) as opened:
        for frame in opened.decode(video=0):
            for name, at in list(left.items()):
                if frame.time is not None and 1000 * frame.time >= at:
                    photo = io.BytesIO()
                    shown = Image.fromarray(frame.to_ndarray(format="rgb24"))
                    shown.save(photo, "JPEG", quality=92)
                    answer = studio.rekognition.index_faces(
                        CollectionId=studio.name,
                        Image={"Bytes": photo.getvalue()},
                        ExternalImageId=name,
                        MaxFaces=1,
                    )
                    assert len(answer["FaceRecords"]) == 1
                    del left[name]
    assert not left
