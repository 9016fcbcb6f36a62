"""Faces in pixels: the CenterFace detector."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pillow

from facedex.vision import geometry
from facedex.vision.sessions import Network

Floats = NDArray[np.float32]

# How large a picture is searched, in pixels of its longest side.
LONGEST_SIDE = 1280
WHOLE_SIDE = 480  # up to here a picture is not reduced
SMALLEST_SIDE = 160  # a smaller one is enlarged: crops that are nothing but a face
SECOND_LOOK = 640  # no face that fits into this is too large for the network
# Where a picture is searched twice: the widest range of faces that both searches may report. The
# first one sees pieces of a face above it as faces of their own.
LARGE_FACE = (240, 360)  # pixels of the first search

# CenterFace
STRIDE = 4  # pixels of its input for each cell of its output
MULTIPLE = 32  # it halves its input five times
OVERLAP = 0.3  # its authors' demo
THRESHOLD = 0.35  # textures stay below 0.29; of faces of 27 pixels, 98 % come above
MOST_PEAKS = 3000  # bounds the work on a picture that is nothing but faces
# The heat map's value as a probability: logistic, fitted to faces and to pictures without one.
MIDPOINT = 0.27
WIDTH = 0.03


@dataclass(frozen=True)
class Detections:
    """Faces in the coordinates of the pixels they were found in, highest score first."""

    boxes: Floats  # (n, 4) x1 y1 x2 y2, pixels; may leave the picture
    scores: Floats  # (n,) 0..1, the probability that the box holds a face
    landmarks: Floats  # (n, 5, 2) x y, pixels: eyes, nose, mouth corners, left ones first

    def take(self, which: NDArray[np.bool_] | NDArray[np.intp]) -> Detections:
        """Return the faces that a mask or indices choose."""
        return Detections(self.boxes[which], self.scores[which], self.landmarks[which])


class CenterFace:
    """CenterFace (Xu et al., arXiv:1911.03599): a face is a peak in a heat map.

    The network finds faces of about 20 to 800 pixels, so a picture is searched at two thirds of
    its size (a face of 40 pixels then has 27), and a large one a second time at a quarter of that,
    for the faces that fill it.
    """

    def __init__(self, path: Path, *, threads: int) -> None:
        self.network = Network(path, threads=threads)

    def detect(self, pixels: NDArray[np.uint8], *, longest_side: int = LONGEST_SIDE) -> Detections:
        """Find faces in RGB pixels (rows, columns, 3), searched no larger than `longest_side`."""
        side = search_side(max(pixels.shape[:2]), longest_side)
        found = self._search(pixels, side)
        if side > SECOND_LOOK:
            scale = max(pixels.shape[:2]) / side
            least, most = LARGE_FACE
            large = _keep(self._search(pixels, side // 4), least * scale, np.inf)
            found = _join(_keep(found, 0, most * scale), large)
        return found

    def _search(self, pixels: NDArray[np.uint8], side: int) -> Detections:
        rows, columns = pixels.shape[:2]
        scale = side / max(rows, columns)
        width, height = max(1, round(columns * scale)), max(1, round(rows * scale))
        if (width, height) != (columns, rows):
            picture = pillow.fromarray(pixels).resize(
                (width, height), pillow.Resampling.BILINEAR, reducing_gap=2.0
            )
            pixels = np.asarray(picture)
        heat, sizes, offsets, points = self.network.run(to_batch(pixels))
        found = decode_peaks(heat, sizes, offsets, points)
        back = np.array([columns / width, rows / height], dtype=np.float32)
        return Detections(
            boxes=found.boxes * np.tile(back, 2),
            scores=found.scores,
            landmarks=found.landmarks * back,
        )


def search_side(side: int, longest_side: int) -> int:
    """Return the longest side, in pixels, at which a picture of longest side `side` is searched."""
    if side < SMALLEST_SIDE:
        return SMALLEST_SIDE
    return min(longest_side, side, max(side * 2 // 3, WHOLE_SIDE))


def to_batch(pixels: NDArray[np.uint8]) -> Floats:
    """Return CenterFace's input: (1, 3, rows, columns) RGB 0..255, padded with black, not bent."""
    rows, columns = pixels.shape[:2]
    padded = (-(-length // MULTIPLE) * MULTIPLE for length in (rows, columns))
    batch = np.zeros((1, 3, *padded), dtype=np.float32)
    batch[0, :, :rows, :columns] = pixels.transpose(2, 0, 1)
    return batch


def decode_peaks(heat: Floats, sizes: Floats, offsets: Floats, points: Floats) -> Detections:
    """Turn CenterFace's outputs for one picture into faces.

    heat: (1, 1, r, c) how much a face's centre; sizes: (1, 2, r, c) log height and width in cells;
    offsets: (1, 2, r, c) of the centre within its cell, y x; points: (1, 10, r, c) five landmarks
    y x as fractions of the box from its upper left corner.
    """
    row, column = np.nonzero(heat[0, 0] > THRESHOLD)
    peaks = heat[0, 0, row, column]
    if peaks.size > MOST_PEAKS:
        best = np.argpartition(-peaks, MOST_PEAKS)[:MOST_PEAKS]
        row, column, peaks = row[best], column[best], peaks[best]
    extent = np.exp(sizes[0, ::-1, row, column]) * STRIDE  # (n, 2) width height
    cell = np.stack([column, row], axis=1).astype(np.float32)
    corner = (cell + offsets[0, ::-1, row, column] + 0.5) * STRIDE - extent / 2
    boxes = np.concatenate([corner, corner + extent], axis=1)
    kept = geometry.suppress(boxes, peaks, OVERLAP)
    fractions = points[0, :, row[kept], column[kept]].reshape(-1, 5, 2)[:, :, ::-1]
    return Detections(
        boxes=boxes[kept],
        scores=1 / (1 + np.exp((MIDPOINT - peaks[kept]) / WIDTH)),
        landmarks=corner[kept, None] + fractions * extent[kept, None],
    )


def _keep(found: Detections, least: float, most: float) -> Detections:
    """Return the faces whose box's longer side lies between two lengths."""
    sides = (found.boxes[:, 2:] - found.boxes[:, :2]).max(axis=1)
    return found.take((sides >= least) & (sides <= most))


def _join(one: Detections, other: Detections) -> Detections:
    both = Detections(
        boxes=np.concatenate([one.boxes, other.boxes]),
        scores=np.concatenate([one.scores, other.scores]),
        landmarks=np.concatenate([one.landmarks, other.landmarks]),
    )
    return both.take(geometry.suppress(both.boxes, both.scores, OVERLAP))
