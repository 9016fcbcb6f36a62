"""A face is recognised in any rotation of the photo."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facedex.vision import packs, upright
from facedex.vision.detection import Detections, Floats
from facedex.vision.faces import DetectedFace
from facedex.vision.images import Image as Picture
from facedex.vision.packs import Pack
from facedex.vision.yunet import YuNet
from tests.media.turning import ANGLES, FILLS, Pixels, bring, picture, turned

OWN = 99  # Similarity of a turned copy to the upright one


@pytest.fixture(scope="module")
def pack(pack_directory: Path) -> Pack:
    return packs.load(pack_directory)


def read(file: Path | io.BytesIO) -> Pixels:
    with Image.open(file) as photo:
        photo.thumbnail((800, 800))
        return np.asarray(photo.convert("RGB"))


def similarity(pack: Pack, pixels: Pixels, vector: Floats) -> float:
    """Return the highest similarity of a face in a photo to a vector; 0 without a face."""
    image = picture(pixels)
    faces = [face for face in pack.find(image) if face.legible]
    scores = pack.embed(image, faces) @ vector
    return max(pack.calibration.similarities(scores).tolist(), default=0.0)


def vector_of(pack: Pack, pixels: Pixels) -> Floats:
    image = picture(pixels)
    (vector,) = pack.embed(image, pack.detect(image)[:1])
    return np.asarray(vector)


@pytest.mark.parametrize("degrees", ANGLES)
def test_public_portraits_find_their_upright_copies(
    pack: Pack, portraits: dict[str, bytes], degrees: int
) -> None:
    for name, content in portraits.items():
        pixels = read(io.BytesIO(content))
        vector = vector_of(pack, pixels)
        for fill in FILLS:
            assert similarity(pack, turned(pixels, degrees, fill), vector) >= OWN, (name, fill)


@pytest.mark.parametrize("degrees", ANGLES)
def test_all_portraits_of_the_test_data_find_their_upright_copies(
    pack: Pack, data: Path, degrees: int
) -> None:
    photos = sorted((data / "pairs").glob("*.jpg"))
    assert len(photos) >= 12
    lost = []
    for number, file in enumerate(photos):
        pixels = read(file)
        turn = turned(pixels, degrees, FILLS[number % 3])
        if similarity(pack, turn, vector_of(pack, pixels)) < OWN:
            lost.append(file.name)
    assert not lost


def vectors_of(pack: Pack, image: Picture) -> Floats:
    """Return the vectors of all faces with reliable landmarks."""
    return pack.embed(image, [face for face in pack.detect(image) if face.legible])


def upright_photos(data: Path) -> Iterator[tuple[str, Pixels]]:
    for folder in ("pairs", "people", "groups"):
        for file in sorted((data / folder).rglob("*")):
            if file.suffix in {".jpg", ".png"}:
                yield file.name, read(file)
    for file in sorted((data / "att_faces").rglob("*.pgm"))[::5]:
        yield f"{file.parent.name}/{file.name}", read(file)
    with zipfile.ZipFile(data / "lfw_crops_80.zip") as crops:
        for name in sorted(name for name in crops.namelist() if name.endswith(".jpg"))[::40]:
            yield name, read(io.BytesIO(crops.read(name)))


def test_upright_faces_keep_their_landmarks_exactly(pack: Pack, data: Path) -> None:
    find = partial(pack.detector.detect, longest_side=1280)
    faces, other = 0, 0
    for name, pixels in upright_photos(data):
        upright_picture = Image.fromarray(pixels)
        found = find(upright_picture)
        settled, legible = upright.verify_landmarks(find, upright_picture, found)
        faces += len(found.scores)
        largest = np.argmax((found.boxes[:, 2:] - found.boxes[:, :2]).prod(axis=1))
        for number, landmarks in enumerate(found.landmarks):
            same = (settled.landmarks == landmarks).all(axis=(1, 2))
            if not legible[same].any():
                assert number != largest, name
                other += 1
    # Strangers at the edge, with half a face visible.
    assert other <= 0.005 * faces


def middle(face: DetectedFace) -> Floats:
    left, top, width, height = face.box
    return np.array([left + width / 2, top + height / 2], dtype=np.float32)


@pytest.mark.parametrize("degrees", [-150, -90, -45, 0, 45, 90, 150, 180])
def test_landmarks_box_and_roll_are_those_of_the_turned_face(
    pack: Pack, portraits: dict[str, bytes], degrees: int
) -> None:
    pixels = read(io.BytesIO(portraits["grace"]))
    (before,) = pack.find(picture(pixels))
    image = picture(turned(pixels, degrees))
    (after,) = pack.find(image)
    whole = np.array([image.width, image.height])
    size = float(np.sqrt(np.prod(before.size)))
    expected = bring(before.landmarks * pixels.shape[1::-1], pixels, degrees)
    assert abs(after.landmarks * whole - expected).max() < 0.08 * size
    moved = bring((middle(before) * pixels.shape[1::-1])[None], pixels, degrees)[0]
    assert abs(middle(after) * whole - moved).max() < 0.15 * size
    assert 0.8 * size < np.sqrt(np.prod(after.size)) < 1.25 * size
    assert -180 <= after.pose.roll <= 180
    assert abs((after.pose.roll - before.pose.roll - degrees + 180) % 360 - 180) < 8
    assert abs(after.pose.yaw - before.pose.yaw) < 12
    assert after.confidence > 90


def test_every_face_of_a_turned_group_is_found_once(
    pack: Pack, portraits: dict[str, bytes]
) -> None:
    heads = [read(io.BytesIO(content))[:400, 80:430] for content in portraits.values()]
    pixels = np.concatenate([heads[0], heads[1], heads[0][:, ::-1]], axis=1)
    vectors = [vector_of(pack, head) for head in heads[:2]]
    for degrees in (90, 135, 180, 240, 270):
        image = picture(turned(pixels, degrees))
        faces = pack.detect(image)
        assert len(faces) == 3
        scores = pack.embed(image, faces) @ np.array(vectors).T
        own = pack.calibration.cosine(OWN)
        assert sorted((scores >= own).sum(axis=0)) >= [1, 1]


@pytest.mark.parametrize("degrees", ANGLES)
def test_every_face_of_a_turned_crowd_matches_its_upright_copy(
    pack: Pack, data: Path, degrees: int
) -> None:
    for file in sorted((data / "groups").glob("*.jpg")):
        pixels = read(file)
        vectors = vectors_of(pack, picture(pixels))
        assert len(vectors) >= 2
        scores = vectors_of(pack, picture(turned(pixels, degrees))) @ vectors.T
        own = pack.calibration.cosine(OWN)
        assert (scores >= own).sum(axis=0).tolist() == [1] * len(vectors), file.name
        assert len(scores) == len(vectors), file.name


@pytest.mark.parametrize("degrees", [0, 90, 180])
def test_no_more_faces_of_a_turned_crowd_are_found_than_requested(
    pack: Pack, portraits: dict[str, bytes], degrees: int
) -> None:
    """The further looks at a turned photo find faces that the first search missed."""
    heads = [read(io.BytesIO(content))[:500:3, :500:3] for content in portraits.values()]
    row = np.concatenate([*heads, *heads], axis=1)
    image = picture(turned(np.concatenate([row, row], axis=0), degrees))
    assert len(pack.detect(image)) == 8
    for most in (1, 2, 5):
        assert len(pack.detect(image, limit=most)) == most


def test_a_crop_without_a_face_at_any_angle_is_not_legible(pack: Pack) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (400, 400, 3), dtype=np.uint8)
    template = np.array([[-1, 0], [1, 0], [0, 1], [-0.8, 2], [0.8, 2]], dtype=np.float32)
    claimed = Detections(
        boxes=np.array([[150, 150, 250, 230]], dtype=np.float32),
        scores=np.array([0.99], dtype=np.float32),
        landmarks=(200 + 20 * template[::-1])[None].astype(np.float32),
    )
    find = partial(pack.detector.detect, longest_side=1280)
    kept, legible = upright.verify_landmarks(find, Image.fromarray(pixels), claimed)
    assert np.array_equal(kept.landmarks, claimed.landmarks)
    assert legible.tolist() == [False]


def test_yunet_puts_landmarks_on_turned_faces_too(data: Path, portraits: dict[str, bytes]) -> None:
    network = YuNet(data / "models" / "face_detection_yunet_n_dynamic.onnx", threads=1)
    find = partial(network.detect, longest_side=1280)
    for content in portraits.values():
        pixels = read(io.BytesIO(content))
        (expected,) = find(Image.fromarray(pixels)).landmarks
        for degrees in range(0, 360, 45):
            turn = Image.fromarray(turned(pixels, degrees))
            found, legible = upright.verify_landmarks(find, turn, find(turn))
            size = float(np.ptp(expected, axis=0).max())
            places = bring(expected, pixels, degrees)
            apart = abs(found.landmarks[legible] - places).max(axis=(1, 2))
            assert apart.min(initial=np.inf) < 0.2 * size, degrees
