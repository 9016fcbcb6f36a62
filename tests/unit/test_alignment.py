from __future__ import annotations

import weakref

import numpy as np
import pytest
from PIL import Image as pillow

from facedex.vision import geometry
from facedex.vision.alignment import View, align, cut

TEMPLATE = np.array(
    [(48.4, 50.9), (101.5, 49.7), (74.5, 77.3), (51.8, 99.5), (96.9, 99.8)], dtype=np.float32
)


def placed(angle: float, scale: float, x: float, y: float) -> geometry.Floats:
    """Return the template's landmarks, rotated by degrees, scaled and moved in a picture."""
    turn = np.radians(angle)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return ((TEMPLATE - 75) @ (scale * rotation).T + [x, y]).astype(np.float32)


@pytest.mark.parametrize(
    ("angle", "scale"), [(0, 1), (20, 0.5), (-35, 1), (90, 2.2), (180, 1), (10, 4.7)]
)
def test_landmarks_come_to_lie_on_the_template(angle: float, scale: float) -> None:
    landmarks = placed(angle, scale, 500, 450)
    rows, columns = np.mgrid[:900, :1000] + 0.5
    picture = np.zeros((900, 1000, 3), dtype=np.uint8)
    for x, y in landmarks:
        spot = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * (4 * scale) ** 2))
        picture = np.maximum(picture, (255 * spot[:, :, None]).astype(np.uint8))
    chip = align(pillow.fromarray(picture), landmarks[None], TEMPLATE, 150)[0, :, :, 0].astype(
        float
    )
    down, across = np.mgrid[:150, :150] + 0.5
    for x, y in TEMPLATE:
        near = chip * (np.hypot(across - x, down - y) < 12)
        centre = (near * across).sum() / near.sum(), (near * down).sum() / near.sum()
        assert np.abs(np.array(centre) - [x, y]).max() < 0.5


def test_a_face_much_larger_than_the_chip_is_averaged_not_skipped_over() -> None:
    board = (np.indices((1600, 1600)).sum(0) % 2 * 255).astype(np.uint8)
    picture = np.repeat(board[:, :, None], 3, axis=2)
    chip = align(pillow.fromarray(picture), placed(5, 6.3, 800, 800)[None], TEMPLATE, 150)[0]
    inside = chip[20:-20, 20:-20].astype(float)
    assert inside.std() < 10
    assert abs(inside.mean() - 127.5) < 3


def test_pixels_outside_the_picture_are_black() -> None:
    white = pillow.new("RGB", (200, 200), "white")
    half = align(white, placed(0, 1, 0, 100)[None], TEMPLATE, 150)[0]
    assert (half[:, :72] == 0).all()
    assert (half[:, 78:] == 255).all()
    far = align(white, placed(0, 1, -900, 100)[None], TEMPLATE, 150)[0]
    assert (far == 0).all()


def test_every_face_has_its_chip_and_no_face_has_none() -> None:
    picture = pillow.new("RGB", (300, 300))
    picture.paste((200, 200, 200), (150, 0, 300, 300))
    both = np.stack([placed(0, 0.5, 60, 150), placed(0, 0.5, 240, 150)])
    chips = align(picture, both, TEMPLATE, 112)
    assert chips.shape == (2, 112, 112, 3)
    assert chips[0].mean() < 10 < 190 < chips[1].mean()
    assert align(picture, both[:0], TEMPLATE, 112).shape == (0, 112, 112, 3)


def test_coinciding_landmarks_do_not_raise() -> None:
    picture = pillow.new("RGB", (50, 50))
    same = np.full((1, 5, 2), 20, dtype=np.float32)
    assert align(picture, same, TEMPLATE, 150).shape == (1, 150, 150, 3)


def test_the_regions_of_many_faces_are_not_all_in_memory_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    picture = pillow.new("RGB", (600, 600), "white")
    regions: list[weakref.ref[pillow.Image]] = []
    most = 0
    crop = picture.crop

    def watched(box: tuple[int, int, int, int]) -> pillow.Image:
        nonlocal most
        region = crop(box)
        regions.append(weakref.ref(region))
        most = max(most, sum(each() is not None for each in regions))
        return region

    monkeypatch.setattr(picture, "crop", watched)
    faces = np.stack([placed(0, 1.5, x, y) for x in range(100, 500, 60) for y in (200, 400)])
    views = (View(zoom=1.2), View(mirrored=True))
    chips = cut(picture, faces, TEMPLATE, 150, views)
    assert len(faces) == 14
    assert most < 10
    for face, both in zip(faces, chips, strict=True):
        assert np.array_equal(cut(picture, face[None], TEMPLATE, 150, views)[0], both)
