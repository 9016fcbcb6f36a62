"""The YuNet detector."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facedex.vision import detection
from facedex.vision.detection import Detections, Floats, Pixels
from facedex.vision.sessions import Network

if TYPE_CHECKING:
    from PIL.Image import Image

STRIDES = (8, 16, 32)  # pixels of its input for each cell of an output
# White noise stays below 0.36; of faces of 27 pixels, 92 % come above, of those of 40, all.
THRESHOLD = 0.45
# The score as a probability: logistic. Half lies where the highest scores of backgrounds (3 of 81
# above 0.42, one of them 0.55) meet the lowest tenth of faces of 27 pixels (0.51).
MIDPOINT = 0.5
WIDTH = 0.06


class YuNet:
    """YuNet (Wu et al., Machine Intelligence Research 20:656, 2023), as OpenCV runs it.

    It has no anchors: each cell of three grids predicts whether it is in a face, and the face's
    position.
    """

    def __init__(self, path: Path, *, threads: int) -> None:
        self.network = Network(path, threads=threads)

    def detect(self, picture: Image, *, longest_side: int = detection.LONGEST_SIDE) -> Detections:
        """Find faces in an RGB picture, searched no larger than `longest_side`."""
        side = detection.search_side(max(picture.size), longest_side)
        fixed = self.network.size is not None
        return detection.search(self._find, picture, self.network.fit(side), fixed=fixed)

    def _find(self, pixels: Pixels) -> Detections:
        batch = detection.to_batch(pixels[:, :, ::-1], self.network.size)
        outputs = self.network.run_by_name(batch)
        grids = []
        for stride in STRIDES:
            faces, objects, boxes, points = (
                outputs[f"{part}_{stride}"][0] for part in ("cls", "obj", "bbox", "kps")
            )
            columns = batch.shape[3] // stride
            grids.append(decode(faces, objects, boxes, points, stride=stride, columns=columns))
        return detection.choose(grids)


def decode(
    faces: Floats, objects: Floats, boxes: Floats, points: Floats, *, stride: int, columns: int
) -> Detections:
    """Convert YuNet's outputs for one grid to faces above the threshold.

    Args:
        faces: (n, 1); the score is the geometric mean of faces and objects.
        objects: (n, 1).
        boxes: (n, 4) centre x y from the cell's upper left corner, log width and height, in cells.
        points: (n, 10) landmarks x y from that corner, in cells.
        stride: pixels for each cell.
        columns: cells for each row of the grid; cells are in row-major order.
    """
    scores = np.sqrt(faces.clip(0, 1) * objects.clip(0, 1))[:, 0]
    chosen = np.flatnonzero(scores > THRESHOLD)
    cell = detection.corners(chosen, columns)
    centre, half = cell + boxes[chosen, :2], np.exp(boxes[chosen, 2:]) / 2
    return Detections(
        boxes=np.concatenate([centre - half, centre + half], axis=1) * stride,
        scores=1 / (1 + np.exp((MIDPOINT - scores[chosen]) / WIDTH)),
        landmarks=(cell[:, None] + points[chosen].reshape(-1, 5, 2)) * stride,
    )
