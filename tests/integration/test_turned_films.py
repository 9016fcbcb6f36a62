"""Faces in films and streams are recognised in any orientation of the camera."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from facedex.media.following import follow
from facedex.media.pacing import Moment
from facedex.media.segments import FOREVER, Segment
from facedex.media.watching import Watcher
from facedex.vision import packs
from facedex.vision.detection import Floats, Pixels
from facedex.vision.packs import Pack
from tests.media import making
from tests.media.turning import picture, turned

SIDE = 480


@pytest.fixture(scope="module")
def pack(pack_directory: Path) -> Pack:
    return packs.load(pack_directory)


@pytest.fixture(scope="module")
def scene(portraits: dict[str, bytes]) -> Pixels:
    """Return two portraits side by side."""
    pixels = np.full((SIDE, SIDE, 3), 128, np.uint8)
    for place, content in enumerate(portraits.values()):
        with Image.open(io.BytesIO(content)) as opened:
            face = np.asarray(ImageOps.fit(opened.convert("RGB"), (200, 240)))
        pixels[120:360, 20 + 240 * place : 220 + 240 * place] = face
    return pixels


@pytest.fixture(scope="module")
def people(pack: Pack, scene: Pixels) -> Floats:
    image = picture(scene)
    return pack.embed(image, pack.detect(image))


@pytest.mark.parametrize("degrees", [90, 135, 180, 225, 270])
def test_people_of_a_turned_film_are_tracked_and_recognised(
    pack: Pack, scene: Pixels, people: Floats, degrees: int
) -> None:
    pixels = turned(scene, degrees)
    pixels = pixels[: len(pixels) // 2 * 2, : pixels.shape[1] // 2 * 2]
    film = making.film(making.steady(25), lambda _: pixels, codec_options={"crf": "16"})
    tracks = follow(io.BytesIO(film), Segment(0, 0, FOREVER), pack, rate=5)
    assert len(tracks) == 2
    assert all(track.clear for track in tracks)
    scores = np.array([track.vector for track in tracks]) @ people.T
    assert (scores >= pack.calibration.cosine(99)).sum(axis=0).tolist() == [1, 1]


@pytest.mark.parametrize("degrees", [90, 135, 180, 225, 270])
def test_people_of_a_turned_stream_are_recognised_at_once(
    pack: Pack, scene: Pixels, people: Floats, degrees: int
) -> None:
    seen = Watcher(pack).see(Moment(0, False), picture(turned(scene, degrees)))
    probes = np.array([each.probe.vector for each in seen if each.probe])
    assert (probes @ people.T >= pack.calibration.cosine(99)).sum(axis=0).tolist() == [1, 1]
