"""The SCRFD detector."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facedex.vision import detection
from facedex.vision.detection import Detections, Floats, Pixels
from facedex.vision.sessions import Network
from facedex.vision.vision_errors import PackMissing

if TYPE_CHECKING:
    from PIL.Image import Image

STRIDES = (8, 16, 32)  # pixels of its input for each cell of an output
ANCHORS = 2  # predictions for each cell, one after the other
MEAN, SCALE = 127.5, 128  # of its input
THRESHOLD = 0.5  # the authors' value; the score, an estimated overlap, is used as probability


class Scrfd:
    """SCRFD with landmarks (Guo et al., arXiv:2105.04714), as InsightFace runs it.

    Its outputs are scores, boxes and landmarks, each for three grids from fine to coarse.
    """

    def __init__(self, path: Path, *, threads: int) -> None:
        self.network = Network(path, threads=threads)

    def detect(self, picture: Image, *, longest_side: int = detection.LONGEST_SIDE) -> Detections:
        """Find faces in an RGB picture, searched no larger than `longest_side`."""
        side = detection.search_side(max(picture.size), longest_side)
        fixed = self.network.size is not None
        return detection.search(self._find, picture, self.network.fit(side), fixed=fixed)

    def _find(self, pixels: Pixels) -> Detections:
        batch = (detection.to_batch(pixels, self.network.size) - MEAN) / SCALE
        outputs = self.network.run(batch.astype(np.float32, copy=False))
        if len(outputs) != 3 * len(STRIDES):
            raise PackMissing(
                f"The detector has {len(outputs)} outputs instead of {3 * len(STRIDES)}: it is not"
                " SCRFD with landmarks; use another pack."
            )
        # Some exports have a leading batch axis of length 1.
        scores, boxes, points = (
            [output.reshape(-1, width) for output in outputs[first : first + len(STRIDES)]]
            for first, width in ((0, 1), (3, 4), (6, 10))
        )
        grids = zip(scores, boxes, points, STRIDES, strict=True)
        return detection.choose(
            [
                decode(score, box, point, stride=stride, columns=batch.shape[3] // stride)
                for score, box, point, stride in grids
            ]
        )


def decode(
    scores: Floats, boxes: Floats, points: Floats, *, stride: int, columns: int
) -> Detections:
    """Convert SCRFD's outputs for one grid to faces above the threshold.

    Args:
        scores: (n, 1).
        boxes: (n, 4) distances from a cell's upper left corner to the left, top, right and bottom
            edge, in cells.
        points: (n, 10) landmarks x y from that corner, in cells.
        stride: pixels for each cell.
        columns: cells for each row of the grid; cells are in row-major order.
    """
    chosen = np.flatnonzero(scores[:, 0] > THRESHOLD)
    cell = detection.corners(chosen // ANCHORS, columns)
    left_top, right_bottom = cell - boxes[chosen, :2], cell + boxes[chosen, 2:]
    return Detections(
        boxes=np.concatenate([left_top, right_bottom], axis=1) * stride,
        scores=scores[chosen, 0],
        landmarks=(cell[:, None] + points[chosen].reshape(-1, 5, 2)) * stride,
    )
