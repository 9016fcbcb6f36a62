"""Rotated boxes and landmarks, and exclusion of faces with unreliable landmarks."""

from __future__ import annotations

import cmath
import math

import numpy as np
import pytest
from PIL import Image

from facedex.media import views
from facedex.vision import looks, pose, upright
from facedex.vision.detection import Detections
from facedex.vision.faces import Box, Face, Pose, Quality
from facedex.vision.geometry import Similarity
from facedex.vision.screening import BARS, screen

LANDMARKS = np.array([[40, 45], [60, 45], [50, 56], [42, 65], [58, 65]], dtype=np.float32)


def face(*, legible: bool) -> Face:
    return Face(
        Box(0.2, 0.2, 0.4, 0.5),
        100.0,
        (LANDMARKS / 100).astype(np.float32),
        (400, 500),
        Pose(0.0, 0.0, 0.0),
        Quality(80.0, 80.0),
        legible=legible,
    )


@pytest.mark.parametrize("quality_filter", [*BARS, "NONE"])
def test_a_face_with_implausible_landmarks_is_excluded_under_every_filter(
    quality_filter: str,
) -> None:
    good, bad = face(legible=True), face(legible=False)
    assert screen([good, bad], quality_filter) == [(good, []), (bad, ["LOW_FACE_QUALITY"])]


def test_a_view_with_implausible_landmarks_is_neither_clear_nor_passable() -> None:
    assert views.is_clear(face(legible=True))
    assert not views.is_clear(face(legible=False))
    assert not views.is_passable(face(legible=False))


@pytest.mark.parametrize("degrees", [-170, -90, -35, 0, 20, 90, 135, 179])
def test_roll_is_the_angle_by_which_landmarks_are_turned(degrees: int) -> None:
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    look = looks.Look(LANDMARKS[0], 1.0, (pose.HEAD[:, :2] @ turn).astype(np.float32), 5.0, 0)
    assert look.roll == pytest.approx(degrees, abs=0.1)


def test_a_turned_box_is_the_one_around_the_ellipse_in_it() -> None:
    box = np.array([0, 0, 60, 80], dtype=np.float32)
    quarter = Similarity(2j, 100 + 50j)
    assert looks.turn_box(quarter, box) == pytest.approx([-60, 50, 100, 170])
    eighth = Similarity(cmath.rect(1, math.pi / 4), 0j)
    left, top, right, bottom = looks.turn_box(eighth, box)
    # Half the extents 30 and 40, at 45 degrees: the root of (30² + 40²) / 2.
    assert right - left == pytest.approx(bottom - top)
    assert right - left == pytest.approx(2 * np.sqrt(1250))


def test_a_picture_without_faces_is_searched_turned_only_by_a_thorough_look() -> None:
    empty = Detections(*(np.empty(shape, np.float32) for shape in ((0, 4), (0,), (0, 5, 2))))
    picture = Image.new("RGB", (300, 200))
    sizes: list[tuple[int, int]] = []

    def find(canvas: Image.Image) -> Detections:
        sizes.append(canvas.size)
        return empty

    for thorough, searched in ((False, []), (True, [(480, 480)])):
        found, legible = upright.verify_landmarks(find, picture, empty, thorough=thorough)
        assert len(found.scores) == len(legible) == 0
        assert sizes == searched


@pytest.mark.parametrize("degrees", [0, 37, 90, -135, 180])
def test_a_picture_turned_back_shows_each_place_where_the_transform_says(degrees: int) -> None:
    pixels = np.zeros((300, 400, 3), dtype=np.uint8)
    pixels[40:60, 310:330] = 255
    picture, back = looks.turn(Image.fromarray(pixels), degrees)
    rows, columns = np.nonzero(np.asarray(picture)[:, :, 0] > 128)
    middle = complex(columns.mean() + 0.5, rows.mean() + 0.5)
    assert abs(back.move(middle) - (320 + 50j)) < 1
    assert len(rows) == pytest.approx(400, rel=0.1)


def test_a_large_picture_is_reduced_while_it_is_turned() -> None:
    pixels = np.zeros((3000, 5000, 3), dtype=np.uint8)
    pixels[1000:1200, 4000:4200] = 255
    picture, back = looks.turn(Image.fromarray(pixels), -45)
    assert max(picture.size) == looks.WIDEST
    rows, columns = np.nonzero(np.asarray(picture)[:, :, 0] > 128)
    middle = complex(columns.mean() + 0.5, rows.mean() + 0.5)
    assert abs(back.move(middle) - (4100 + 1100j)) < 5


def test_a_picture_is_turned_by_the_roll_that_most_of_its_turned_faces_have() -> None:
    rolls = np.array([60, 170, -175, -170, -172], dtype=np.float32)
    assert upright._common_roll(rolls, rolls) == -175


@pytest.mark.parametrize(
    ("rolls", "expected"),
    [([], None), ([20, 22], None), ([-14, -20, 5], -14), ([-8, 20, 5], None), ([3, 4, 40], None)],
)
def test_a_picture_is_turned_where_half_a_crowd_leans_to_one_side(
    rolls: list[float], expected: float | None
) -> None:
    none = np.empty(0, dtype=np.float32)
    assert upright._common_roll(none, np.array(rolls, dtype=np.float32)) == expected
