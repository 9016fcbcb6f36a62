from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from facedex.vision import images, pose
from facedex.vision.faces import Face
from facedex.vision.packs import Pack


def faces(pack: Pack, picture: Image.Image) -> list[Face]:
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "PNG")
    return pack.find(images.decode(buffer.getvalue()))


def largest(pack: Pack, picture: Image.Image) -> Face:
    return faces(pack, picture)[0]


def project(roll: float, yaw: float, pitch: float, distance: float) -> pose.Floats:
    """Return the generic head's landmarks, seen from a distance given in half eye distances."""
    z, y, x = np.radians([roll, -yaw, -pitch])
    tilt = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    turn = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    roll_ = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    seen = pose.HEAD @ (roll_ @ turn @ tilt).T
    landmarks = 500 + 80 * seen[:, :2] / (1 + seen[:, 2:] / distance)
    return np.asarray(landmarks, dtype=np.float32)


@pytest.mark.parametrize("roll", [-100, -25, 0, 40, 170])
@pytest.mark.parametrize("yaw", [-50, -10, 0, 30])
@pytest.mark.parametrize("pitch", [-30, 0, 20])
def test_a_turned_head_is_recovered_within_two_degrees(
    roll: float, yaw: float, pitch: float
) -> None:
    found = pose.estimate(project(roll, yaw, pitch, 1e6)[None])[0]
    assert (found.roll, found.yaw, found.pitch) == pytest.approx((roll, yaw, pitch), abs=2)


def test_perspective_shifts_the_angles_little() -> None:
    found = pose.estimate(project(10, 20, -10, 30)[None])[0]  # about a metre away
    assert (found.roll, found.yaw, found.pitch) == pytest.approx((10, 20, -10), abs=4)


# Landmarks (eyes, nose, mouth corners; ratios) and pose, roll yaw pitch, of faces in responses of
# Amazon Rekognition: those of the IndexFaces example in its service model, in a 4:3 picture.
PUBLISHED = [
    (
        [(0.6394737, 0.4081962), (0.7266661, 0.4103923), (0.6912462, 0.4424096),
         (0.6306198, 0.4670004), (0.7215609, 0.4711426)],
        0.75,
        (0.995, 13.694, 4.051),
    ),
    (
        [(0.3976765, 0.6248346), (0.4810936, 0.6317117), (0.4198624, 0.7111940),
         (0.4052530, 0.7497701), (0.4753249, 0.7558550)],
        1.34,
        (4.707, -24.439, -9.714),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("ratios", "aspect", "angles"), PUBLISHED)
def test_signs_are_those_of_rekognitions_published_responses(
    ratios: list[tuple[float, float]], aspect: float, angles: tuple[float, float, float]
) -> None:
    landmarks = np.array([ratios], dtype=np.float32) * 1000 * np.array([aspect, 1], np.float32)
    found = pose.estimate(landmarks)[0]
    for ours, theirs in zip((found.roll, found.yaw, found.pitch), angles, strict=True):
        assert ours * theirs > 0
        assert abs(ours - theirs) < 12


def test_a_mirror_image_changes_the_sign_of_yaw_and_roll(pack: Pack, data: Path) -> None:
    photo = Image.open(data / "groups" / "couple.jpg").reduce(2)
    flipped = photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    ahead = min(faces(pack, photo), key=lambda face: face.box.left).pose
    mirrored = max(faces(pack, flipped), key=lambda face: face.box.left).pose
    assert ahead.yaw > 15
    assert ahead.roll < -8
    assert mirrored.yaw == pytest.approx(-ahead.yaw, abs=10)
    assert mirrored.roll == pytest.approx(-ahead.roll, abs=6)
    assert mirrored.pitch == pytest.approx(ahead.pitch, abs=10)


@pytest.mark.parametrize("degrees", [-20, 20])
def test_turning_the_picture_clockwise_adds_to_the_roll(
    pack: Pack, portraits: dict[str, bytes], degrees: float
) -> None:
    upright = Image.open(io.BytesIO(portraits["grace"])).convert("RGB")
    turned = largest(pack, upright.rotate(-degrees, Image.Resampling.BICUBIC))
    assert turned.pose.roll - largest(pack, upright).pose.roll == pytest.approx(degrees, abs=6)


@pytest.mark.parametrize("name", ["eileen", "grace"])
def test_blur_and_fewer_pixels_lower_the_sharpness(
    pack: Pack, portraits: dict[str, bytes], name: str
) -> None:
    photo = Image.open(io.BytesIO(portraits[name])).convert("RGB")
    sharpness = [
        largest(pack, photo.filter(ImageFilter.GaussianBlur(radius))).quality.sharpness
        for radius in (0, 1, 2, 4)
    ]
    assert sharpness == sorted(sharpness, reverse=True)
    assert sharpness[0] > 80 > 30 > sharpness[-1] >= 0
    small = photo.resize((photo.width // 4, photo.height // 4), Image.Resampling.LANCZOS)
    assert largest(pack, small).quality.sharpness < sharpness[0] - 20


def test_brightness_follows_the_light_and_leaves_sharpness_alone(
    pack: Pack, portraits: dict[str, bytes]
) -> None:
    photo = Image.open(io.BytesIO(portraits["eileen"])).convert("RGB")
    qualities = [
        largest(pack, photo.point(lambda value, light=light: int(value * light))).quality
        for light in (1.0, 0.7, 0.4)
    ]
    full, dim, dark = (quality.brightness for quality in qualities)
    assert 100 > full > dim > dark > 0
    assert dim / full == pytest.approx(0.7, abs=0.05)
    assert qualities[1].sharpness == pytest.approx(qualities[0].sharpness, abs=5)
