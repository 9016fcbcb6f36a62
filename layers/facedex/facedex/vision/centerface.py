"""The CenterFace detector."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facedex.vision import detection, geometry
from facedex.vision.detection import Detections, Floats, Pixels
from facedex.vision.sessions import Network

if TYPE_CHECKING:
    from PIL.Image import Image

STRIDE = 4  # pixels of its input for each cell of its output
THRESHOLD = 0.335  # textures stay below 0.29; of faces of 27 pixels, 98 % come above
# The heat map's value as a probability: logistic, fitted to faces and to pictures without one.
MIDPOINT = 0.27
WIDTH = 0.03


class CenterFace:
    """CenterFace (Xu et al., arXiv:1911.03599): a face is a peak in a heat map."""

    def __init__(self, path: Path, *, threads: int) -> None:
        self.network = Network(path, threads=threads)

    def detect(self, picture: Image, *, longest_side: int = detection.LONGEST_SIDE) -> Detections:
        """Find faces in an RGB picture, searched no larger than `longest_side`."""
        side = detection.search_side(max(picture.size), longest_side)
        return detection.search(self._find, picture, side)

    def _find(self, pixels: Pixels) -> Detections:
        heat, sizes, offsets, points = self.network.run(detection.pad(pixels)[None])
        return decode_peaks(heat, sizes, offsets, points)


def decode_peaks(heat: Floats, sizes: Floats, offsets: Floats, points: Floats) -> Detections:
    """Decode CenterFace's outputs for one picture.

    Args:
        heat: (1, 1, r, c) likelihood that a cell holds a face's centre, 0..1.
        sizes: (1, 2, r, c) logarithms of height and width in cells.
        offsets: (1, 2, r, c) of the centre within its cell, y x.
        points: (1, 10, r, c) five landmarks, y x, as fractions of the box from its upper left
            corner.
    """
    row, column = np.nonzero(heat[0, 0] > THRESHOLD)
    peaks = heat[0, 0, row, column]
    if peaks.size > detection.MOST_CANDIDATES:
        best = np.argpartition(-peaks, detection.MOST_CANDIDATES)[: detection.MOST_CANDIDATES]
        row, column, peaks = row[best], column[best], peaks[best]
    extent = np.exp(sizes[0, ::-1, row, column]) * STRIDE  # (n, 2) width height
    cell = np.stack([column, row], axis=1).astype(np.float32)
    corner = (cell + offsets[0, ::-1, row, column] + 0.5) * STRIDE - extent / 2
    boxes = np.concatenate([corner, corner + extent], axis=1)
    kept = geometry.suppress(boxes, peaks, detection.OVERLAP)
    fractions = points[0, :, row, column].reshape(-1, 5, 2)[:, :, ::-1]
    landmarks = corner[:, None] + fractions * extent[:, None]
    # The cells around a peak see the same face: the mean of their landmarks is more exact.
    near = np.maximum(abs(row[kept, None] - row), abs(column[kept, None] - column)) <= 1
    shares = near * peaks
    shares /= shares.sum(axis=1, keepdims=True)
    return Detections(
        boxes=boxes[kept],
        scores=1 / (1 + np.exp((MIDPOINT - peaks[kept]) / WIDTH)),
        landmarks=np.einsum("kn,nij->kij", shares, landmarks),
    )
