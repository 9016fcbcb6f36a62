"""Measurement of a face's brightness and sharpness."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facedex.vision.faces import Quality

Floats = NDArray[np.float32]

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601
# Faces are measured on dlib's chip of 150 pixels, independent of the chips that the pack's networks
# use. Left eye, right eye, nose, left and right corner of the mouth.
_CHIP_SIZE = 150
_TEMPLATE = np.array(
    [[48.4, 50.9], [101.5, 49.7], [74.5, 77.3], [51.8, 99.5], [96.9, 99.8]], dtype=np.float32
)
MARGIN = 0.2  # of the chip on every side: hair and background, or black outside the image
# The chip without its margin, so that no pixel is computed that is not measured.
_EDGE = round(_CHIP_SIZE * MARGIN)
SIZE = _CHIP_SIZE - 2 * _EDGE  # pixels, square
TEMPLATE = _TEMPLATE - np.float32(_EDGE)
TYPICAL_DETAIL = 0.35  # a face of 60 pixels in focus: 0.34


def measure(chips: NDArray[np.uint8]) -> list[Quality]:
    """Return the quality of faces in aligned chips (n, SIZE, SIZE, 3) RGB.

    Brightness is the mean luma, scaled so that 255 gives 100. Sharpness is
    100·(1 - exp(-(d / TYPICAL_DETAIL)²)) with the detail d.
    """
    luma = chips @ LUMA
    brightness = luma.mean(axis=(1, 2)) / 2.55
    sharpness = 100 * (1 - np.exp(-((_detail(luma) / TYPICAL_DETAIL) ** 2)))
    values = np.stack([brightness, sharpness], axis=1).clip(0, 100)
    return [Quality(*pair) for pair in values.tolist()]


def detail(chips: NDArray[np.uint8]) -> Floats:
    """Return the detail (n,) of faces in an embedder's aligned chips (n, s, s, 3) RGB.

    Detail is the ratio of the standard deviations of the luma's Laplacian and of the luma, so it
    does not depend on light and contrast. All chips have the same size, so a face with few pixels
    is as blurred as the enlargement that the network processes.
    """
    edge = round(chips.shape[1] * MARGIN)
    return _detail(chips[:, edge : chips.shape[1] - edge, edge : chips.shape[2] - edge] @ LUMA)


def _detail(luma: Floats) -> Floats:
    laplacian = (
        luma[:, :-2, 1:-1]
        + luma[:, 2:, 1:-1]
        + luma[:, 1:-1, :-2]
        + luma[:, 1:-1, 2:]
        - 4 * luma[:, 1:-1, 1:-1]
    )
    return np.asarray(laplacian.std(axis=(1, 2)) / np.maximum(luma.std(axis=(1, 2)), 1))
