from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as pillow

from facedex.vision import scrfd
from facedex.vision.detection import Floats, Pixels
from facedex.vision.scrfd import Scrfd
from facedex.vision.vision_errors import PackMissing
from tests.unit import tiny_networks
from tests.unit.tiny_networks import BOX, POINTS, paint


def black(rows: int, columns: int) -> Pixels:
    return np.zeros((rows, columns, 3), dtype=np.uint8)


@pytest.mark.parametrize("batch_axis", [False, True])
@pytest.mark.parametrize("size", [None, 640])
@pytest.mark.parametrize(
    ("stride", "row", "column"), [(8, 5, 7), (8, 0, 0), (16, 12, 20), (16, 3, 27), (32, 4, 9)]
)
def test_a_planted_face_comes_back_exactly(
    tmp_path: Path, batch_axis: bool, size: int | None, stride: int, row: int, column: int
) -> None:
    network = tiny_networks.scrfd(tmp_path / "net.onnx", batch_axis=batch_axis, size=size)
    pixels = black(300, 450)  # multiples of no stride, searched without resizing
    box = paint(pixels, stride, row, column)
    found = Scrfd(network, threads=1).detect(pillow.fromarray(pixels))
    assert np.array_equal(found.boxes, [box])
    corner = np.array([column, row], dtype=np.float32) * stride
    assert np.array_equal(found.landmarks, [corner + POINTS * stride])
    assert found.scores == pytest.approx([127.5 / 128])


def test_faces_of_all_grids_are_found_at_once(tmp_path: Path) -> None:
    pixels = black(480, 480)
    boxes = [paint(pixels, *cell) for cell in ((8, 3, 4), (8, 40, 50), (16, 10, 14), (32, 8, 11))]
    found = Scrfd(tiny_networks.scrfd(tmp_path / "net.onnx"), threads=1).detect(
        pillow.fromarray(pixels)
    )
    assert sorted(found.boxes.tolist()) == sorted(box.tolist() for box in boxes)


def test_a_picture_without_a_face_has_none(tmp_path: Path) -> None:
    network = tiny_networks.scrfd(tmp_path / "net.onnx")
    found = Scrfd(network, threads=1).detect(pillow.new("RGB", (300, 480)))
    assert found.boxes.shape == (0, 4)
    assert found.landmarks.shape == (0, 5, 2)


@pytest.mark.parametrize("size", [None, 640])
def test_places_are_in_pixels_of_the_picture_that_was_given(
    tmp_path: Path, size: int | None
) -> None:
    # Searched at 640, a third of its size, where the block fills a cell of stride 32.
    pixels = black(1440, 1920)
    pixels[480:576, 960:1056, 2] = 255
    network = tiny_networks.scrfd(tmp_path / "net.onnx", size=size)
    found = Scrfd(network, threads=1).detect(pillow.fromarray(pixels), longest_side=640)
    reach = np.array([-BOX[0], -BOX[1], BOX[2], BOX[3]]) * 96
    assert np.allclose(found.boxes, [np.array([960, 480, 960, 480]) + reach], atol=0.01)
    assert np.allclose(found.landmarks, [[960, 480] + POINTS * 96], atol=0.01)


def test_a_network_of_one_size_is_never_given_more(tmp_path: Path) -> None:
    pixels = black(1900, 2500)
    pixels[400:800, 400:800, 0] = 255
    network = tiny_networks.scrfd(tmp_path / "net.onnx", size=320)
    assert (
        len(Scrfd(network, threads=1).detect(pillow.fromarray(pixels), longest_side=1280).boxes) > 0
    )


def test_a_network_of_one_size_is_given_all_the_detail_that_it_accepts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = Scrfd(tiny_networks.scrfd(tmp_path / "net.onnx", size=480), threads=1)
    run, batches = detector.network.run, []

    def record(batch: Floats) -> list[Floats]:
        batches.append(batch)
        return run(batch)

    monkeypatch.setattr(detector.network, "run", record)
    detector.detect(pillow.new("RGB", (640, 480), "white"))
    (batch,) = batches
    assert int((batch[0, 0] > 0).sum()) == 480 * 360  # the rest is padding in any case


def test_each_cell_has_two_anchors_one_after_the_other() -> None:
    scores = np.zeros((24, 1), dtype=np.float32)
    scores[[14, 17], 0] = 0.9, 0.7  # cells 7 and 8 of rows of 4: (3, 1) and (0, 2)
    boxes = np.tile(np.array([1, 1, 2, 2], dtype=np.float32), (24, 1))
    boxes[17] = 0, 0, 1, 1
    points = np.zeros((24, 10), dtype=np.float32)
    found = scrfd.decode(scores, boxes, points, stride=8, columns=4)
    assert np.array_equal(found.boxes, [[16, 0, 40, 24], [0, 16, 8, 24]])
    assert np.array_equal(found.landmarks[:, 0], [[24, 8], [0, 16]])
    assert found.scores == pytest.approx([0.9, 0.7])


def test_a_picture_that_is_nothing_but_faces_is_searched_within_bounds(tmp_path: Path) -> None:
    red = pillow.new("RGB", (1280, 1280), "red")
    found = Scrfd(tiny_networks.scrfd(tmp_path / "net.onnx"), threads=1).detect(red)
    assert 0 < len(found.boxes) <= 3000


def test_a_detector_without_landmarks_is_refused(tmp_path: Path) -> None:
    network = tiny_networks.scrfd(tmp_path / "net.onnx", landmarks=False)
    with pytest.raises(PackMissing, match="6 outputs instead of 9"):
        Scrfd(network, threads=1).detect(pillow.new("RGB", (320, 320)))
