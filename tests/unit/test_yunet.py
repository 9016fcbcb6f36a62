from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from facedex.vision import geometry, images, yunet
from facedex.vision.centerface import CenterFace
from facedex.vision.detection import Detections
from facedex.vision.yunet import YuNet


@pytest.fixture(scope="module")
def weights(data: Path) -> Path:
    return data / "models" / "face_detection_yunet_n_dynamic.onnx"


@pytest.fixture(scope="module")
def detector(weights: Path) -> YuNet:
    return YuNet(weights, threads=1)


@pytest.fixture(scope="module")
def of_one_size(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> YuNet:
    """Return the same network for 640 x 640 only, as the OpenCV Zoo publishes it."""
    model = onnx.load(weights)
    axes = model.graph.input[0].type.tensor_type.shape.dim
    for axis, length in enumerate((1, 3, 640, 640)):
        axes[axis].dim_value = length
    path = tmp_path_factory.mktemp("yunet") / "fixed.onnx"
    onnx.save(model, path)
    return YuNet(path, threads=1)


@pytest.fixture(scope="module")
def reference(pack_directory: Path) -> CenterFace:
    return CenterFace(pack_directory / "detector.onnx", threads=1)


def picture_of(path: Path) -> Image.Image:
    return images.decode(path.read_bytes()).picture


def differences(found: Detections, expected: Detections) -> tuple[list[float], list[float]]:
    """Compare each expected face with the one found that overlaps it most.

    Returns intersections over unions, and the landmarks' largest distances in distances between
    the eyes.
    """
    shared, apart = [], []
    for box, landmarks in zip(expected.boxes, expected.landmarks, strict=True):
        overlaps = geometry.overlaps(box, found.boxes)
        best = int(overlaps.argmax())
        far = np.linalg.norm(found.landmarks[best] - landmarks, axis=1).max()
        shared.append(float(overlaps[best]))
        apart.append(float(far / np.linalg.norm(landmarks[0] - landmarks[1])))
    return shared, apart


def test_portraits_have_the_faces_and_landmarks_that_centerface_finds(
    detector: YuNet, reference: CenterFace, data: Path
) -> None:
    photos = sorted((data / "pairs").glob("*.jpg"))
    assert len(photos) == 25
    for photo in photos:
        picture = picture_of(photo)
        found = detector.detect(picture)
        shared, apart = differences(found, reference.detect(picture))
        assert min(shared) > 0.8, photo.name
        assert max(apart) < 0.2, photo.name
        assert found.scores[0] > 0.99, photo.name


def test_a_network_of_one_size_finds_the_same(
    of_one_size: YuNet, reference: CenterFace, data: Path
) -> None:
    for photo in sorted((data / "pairs").glob("*.jpg"))[::3]:
        picture = picture_of(photo)
        shared, apart = differences(of_one_size.detect(picture), reference.detect(picture))
        assert min(shared) > 0.8, photo.name
        assert max(apart) < 0.2, photo.name


@pytest.mark.parametrize(("name", "people"), [("couple.jpg", 2), ("selfie-many-people.jpg", 7)])
def test_every_person_in_a_group_is_found_once(
    detector: YuNet, reference: CenterFace, data: Path, name: str, people: int
) -> None:
    picture = picture_of(data / "groups" / name)
    found = detector.detect(picture)
    assert len(found.boxes) == people
    shared, _ = differences(found, reference.detect(picture))
    assert min(shared) > 0.7


@pytest.mark.parametrize("name", ["eileen", "grace"])
def test_landmarks_come_in_the_pictures_order(
    detector: YuNet, portraits: dict[str, bytes], name: str
) -> None:
    found = detector.detect(images.decode(portraits[name]).picture)
    assert len(found.boxes) == 1
    left_eye, right_eye, nose, left_mouth, right_mouth = found.landmarks[0]
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < nose[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


@pytest.mark.parametrize("side", [64, 300, 640, 1300, 1920])
def test_a_face_that_fills_the_picture_is_found_at_any_size(
    detector: YuNet, portraits: dict[str, bytes], side: int
) -> None:
    picture = images.decode(portraits["eileen"]).picture
    left, top, right, bottom = detector.detect(picture).boxes[0].tolist()
    middle, half = ((left + right) / 2, (top + bottom) / 2), (bottom - top) * 0.55
    cut = picture.crop(
        tuple(round(edge) for edge in (*(m - half for m in middle), *(m + half for m in middle)))
    )
    found = detector.detect(cut.resize((side, side), Image.Resampling.BICUBIC))
    assert len(found.boxes) == 1
    assert found.boxes[0, 3] - found.boxes[0, 1] > 0.7 * side


def test_small_whole_face_photos_are_searched_too(detector: YuNet, data: Path) -> None:
    found = [
        len(detector.detect(Image.open(photo).convert("RGB")).boxes)
        for photo in sorted((data / "att_faces").glob("*/1.pgm"))
    ]
    assert len(found) == 40
    assert set(found) == {1}


def test_textures_hold_no_face(detector: YuNet) -> None:
    noise = np.random.default_rng(3)
    white = noise.integers(0, 256, (600, 900, 3), dtype=np.uint8)
    clouds = Image.fromarray(white[:20, :30]).resize((900, 600), Image.Resampling.BICUBIC)
    for picture in (Image.fromarray(white), clouds, Image.new("RGB", (900, 600))):
        found = detector.detect(picture)
        assert found.boxes.shape == (0, 4)
        assert found.landmarks.shape == (0, 5, 2)


def test_a_cell_is_decoded_to_its_box_and_landmarks() -> None:
    faces, objects = np.zeros((2, 12, 1), dtype=np.float32)
    boxes, points = np.zeros((12, 4), dtype=np.float32), np.zeros((12, 10), dtype=np.float32)
    # Cell 6 of rows of 4: (2, 1). Cell 7 is in a face by only one of the two scores.
    faces[[6, 7]], objects[6] = 1.2, 0.81
    boxes[6] = 0.5, 0.25, np.log(3), np.log(5)
    points[6] = np.arange(10) / 4
    found = yunet.decode(faces, objects, boxes, points, stride=16, columns=4)
    assert np.allclose(found.boxes, [[40 - 24, 20 - 40, 40 + 24, 20 + 40]])
    assert np.allclose(found.landmarks[0], 16 * (np.array([2, 1]) + points[6].reshape(5, 2)))
    assert 0.99 < found.scores[0] < 1
