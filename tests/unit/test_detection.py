from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from facedex.vision import centerface, detection, images
from facedex.vision.centerface import CenterFace
from facedex.vision.detection import Detections

Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def detector(pack_directory: Path) -> CenterFace:
    return CenterFace(pack_directory / "detector.onnx", threads=1)


@pytest.fixture(scope="module")
def eileen(portraits: dict[str, bytes]) -> Image.Image:
    return images.decode(portraits["eileen"]).picture


def picture_of(path: Path) -> Image.Image:
    return images.decode(path.read_bytes()).picture


def head(detector: CenterFace, picture: Image.Image, margin: float) -> tuple[Image.Image, float]:
    """Cut a square around the largest face; return it and the face's share of its side."""
    left, top, right, bottom = detector.detect(picture).boxes[0].tolist()
    side, x, y = bottom - top, (left + right) / 2, (top + bottom) / 2
    half = side / 2 * (1 + margin)
    box = tuple(round(edge) for edge in (x - half, y - half, x + half, y + half))
    return picture.crop(box), 1 / (1 + margin)


@pytest.mark.parametrize("name", ["eileen", "grace"])
def test_a_portrait_has_one_face_with_its_landmarks_in_order(
    detector: CenterFace, portraits: dict[str, bytes], name: str
) -> None:
    found = detector.detect(images.decode(portraits[name]).picture)
    assert len(found.boxes) == 1
    assert found.scores[0] > 0.99
    left_eye, right_eye, nose, left_mouth, right_mouth = found.landmarks[0]
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < nose[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])
    left, top, right, bottom = found.boxes[0]
    assert ((found.landmarks[0] > [left, top]) & (found.landmarks[0] < [right, bottom])).all()


@pytest.mark.parametrize(("name", "people"), [("couple.jpg", 2), ("selfie-many-people.jpg", 7)])
def test_every_person_in_a_group_is_found_once(
    detector: CenterFace, data: Path, name: str, people: int
) -> None:
    assert len(detector.detect(picture_of(data / "groups" / name)).boxes) == people


def test_small_whole_face_photos_are_searched_too(detector: CenterFace, data: Path) -> None:
    for person in range(1, 41):
        picture = Image.open(data / "att_faces" / f"s{person}" / "1.pgm").convert("RGB")
        assert len(detector.detect(picture).boxes) == 1, person
    with zipfile.ZipFile(data / "lfw_crops_80.zip") as crops:
        names = [name for name in crops.namelist() if name.endswith(".jpg")][:40]
        for name in names:
            picture = Image.open(io.BytesIO(crops.read(name))).convert("RGB")
            assert len(detector.detect(picture).boxes) >= 1, name


def test_faces_of_40_pixels_are_found_in_1920_by_1080(
    detector: CenterFace, eileen: Image.Image
) -> None:
    cut, share = head(detector, eileen, 0.5)
    side = round(40 / share)
    small = cut.resize((side, side), Image.Resampling.LANCZOS)
    scene = Image.new("RGB", (1920, 1080), (110, 130, 120))
    centres = [(x, y) for x in (90, 700, 1230, 1800) for y in (80, 560, 990)]
    for x, y in centres:
        scene.paste(small, (x - side // 2, y - side // 2))
    found = detector.detect(scene)
    middles = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
    hits = [np.abs(middles - centre).max(axis=1).min() < 8 for centre in centres]
    assert sum(hits) >= 11
    assert len(found.boxes) <= 12


@pytest.mark.parametrize("side", [64, 300, 640, 1300, 1920])
def test_a_face_that_fills_the_picture_is_found_at_any_size(
    detector: CenterFace, eileen: Image.Image, side: int
) -> None:
    cut, _ = head(detector, eileen, 0.1)
    found = detector.detect(cut.resize((side, side), Image.Resampling.BICUBIC))
    sizes = found.boxes[:, 3] - found.boxes[:, 1]
    assert sizes.max() > 0.7 * side
    assert len(sizes) == 1


def test_textures_hold_no_face(detector: CenterFace) -> None:
    noise = np.random.default_rng(3)
    white = noise.integers(0, 256, (600, 900, 3), dtype=np.uint8)
    clouds = Image.fromarray(white[:20, :30]).resize((900, 600), Image.Resampling.BICUBIC)
    squares = np.kron(np.indices((20, 30)).sum(0) % 2, np.full((30, 30), 255, dtype=np.uint8))
    board = np.repeat(squares[:, :, None], 3, axis=2).astype(np.uint8)
    discs = Image.new("RGB", (900, 600), "tan")
    for x, y in noise.integers(0, 600, (60, 2)).tolist():
        ImageDraw.Draw(discs).ellipse((x, y, x + 70, y + 70), "white", "black", 6)
    black = Image.new("RGB", (900, 600))
    for picture in (Image.fromarray(white), clouds, Image.fromarray(board), discs, black):
        found = detector.detect(picture)
        assert found.boxes.shape == (0, 4)
        assert found.landmarks.shape == (0, 5, 2)


def test_places_are_in_pixels_of_the_picture_however_small_it_is_searched(
    detector: CenterFace, eileen: Image.Image
) -> None:
    whole = detector.detect(eileen)
    small = detector.detect(eileen, longest_side=256)
    assert np.abs(whole.landmarks - small.landmarks).max() < 8
    assert np.abs(whole.boxes - small.boxes).max() < 12


@pytest.mark.parametrize(
    ("side", "longest_side", "expected"),
    [(80, 1280, 160), (300, 1280, 300), (640, 1280, 480), (960, 1280, 640), (1920, 1280, 1280),
     (4000, 1280, 1280), (1920, 640, 640)],
)  # fmt: skip
def test_a_picture_is_searched_at_two_thirds_within_bounds(
    side: int, longest_side: int, expected: int
) -> None:
    assert detection.search_side(side, longest_side) == expected


def outputs(rows: int, columns: int) -> list[NDArray[np.float32]]:
    return [np.zeros((1, n, rows, columns), dtype=np.float32) for n in (1, 2, 2, 10)]


def test_a_peak_is_decoded_to_its_box_and_landmarks() -> None:
    heat, sizes, offsets, points = outputs(20, 30)
    heat[0, 0, 5, 7] = 0.9
    sizes[0, :, 5, 7] = np.log([10, 6])  # height, width in cells of 4 pixels
    offsets[0, :, 5, 7] = [0.25, -0.5]  # y, x
    points[0, :, 5, 7] = [0.4, 0.3, 0.4, 0.7, 0.6, 0.5, 0.8, 0.35, 0.8, 0.65]
    found: Detections = centerface.decode_peaks(heat, sizes, offsets, points)
    assert np.allclose(found.boxes, [[28 - 12, 23 - 20, 28 + 12, 23 + 20]])
    assert np.allclose(found.landmarks[0, 0], [16 + 0.3 * 24, 3 + 0.4 * 40])
    assert np.allclose(found.landmarks[0, 4], [16 + 0.65 * 24, 3 + 0.8 * 40])
    assert 0.99 < found.scores[0] <= 1


def test_a_picture_full_of_peaks_is_decoded_within_bounds() -> None:
    heat, sizes, offsets, points = outputs(320, 320)
    heat[:] = 0.9
    found = centerface.decode_peaks(heat, sizes, offsets, points)
    assert 0 < len(found.boxes) <= detection.MOST_CANDIDATES


@pytest.mark.parametrize(
    ("size", "side", "searched"),
    [
        ((640, 480), 480, (469, 352)),  # 360 rows would be padded to 384
        ((480, 640), 480, (352, 469)),
        ((1920, 1080), 1280, (1252, 704)),
        ((640, 360), 480, (480, 270)),  # the next multiple is too far away
        ((600, 400), 480, (480, 320)),
        ((2464, 1848), 1280, (1280, 960)),  # multiples already
        ((92, 112), 160, (131, 160)),  # not reduced
    ],
    ids=str,
)
def test_a_picture_is_reduced_by_a_little_more_if_that_saves_padding(
    size: tuple[int, int], side: int, searched: tuple[int, int]
) -> None:
    shapes = []

    def find(pixels: Pixels) -> Detections:
        shapes.append(pixels.shape)
        box = np.array([[0, 0, pixels.shape[1], pixels.shape[0]]], np.float32)
        return Detections(box, np.ones(1, np.float32), box.reshape(1, 2, 2).repeat(3, 1)[:, :5])

    found = detection.search(find, Image.new("RGB", size), side)
    assert shapes[0] == (searched[1], searched[0], 3)
    assert found.boxes[0] == pytest.approx([0, 0, *size])
