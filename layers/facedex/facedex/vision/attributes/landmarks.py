"""Rekognition's thirty landmarks, as points of the face mesh and of the eyes' contours.

Left and right are those of the upright picture, so a point of the left eye belongs to the person's
right eye. MediaPipe numbers the points of its mesh; docs/attributes.md shows the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from facedex.vision.attributes import crops, mesh
from facedex.vision.attributes.crops import CHIP, Complex, Frame
from facedex.vision.attributes.eyes import Eyes

# Points of the mesh.
_NOSE_TIP: Final = 4
_MOUTH_CORNERS: Final = (61, 291)
_BROWS: Final = (70, 107, 105, 336, 300, 334)  # of each: left end, right end, top
_NOSTRILS: Final = (98, 327)
_LIPS: Final = (0, 17)
_JAW: Final = (234, 172, 152, 397, 454)

# Points of an eye's contour: left corner, right corner, top, bottom. The network has seen only left
# eyes, so the right eye's contour is mirrored and begins with its right corner.
_LEFT_EYE: Final = (0, 8, 12, 4)
_RIGHT_EYE: Final = (8, 0, 12, 4)

_MESH: Final = (_NOSE_TIP, *_MOUTH_CORNERS, *_BROWS, *_NOSTRILS, *_LIPS, *_JAW)
# Before these points of the mesh, in their order, are those of the eyes.
_ORDER: Final = (0, 1, *range(12, 21), *range(2, 10), *range(21, 25), 10, 11, *range(25, 30))


def thirty(meshes: Complex, frames: Sequence[Frame], eyes: Sequence[Eyes]) -> Complex:
    """Return the thirty landmarks (n, 30) of each face in the order of the service model.

    All points are x + iy; the landmarks are in the picture.

    Args:
        meshes: (n, points) points of each mesh in the chip.
        frames: the chips' squares in the picture.
        eyes: those of each face.
    """
    lids, pupils = np.stack([each.lids for each in eyes]), np.stack([each.pupils for each in eyes])
    return np.concatenate(
        [
            lids.mean(axis=2),
            lids[:, 0, list(_LEFT_EYE)],
            lids[:, 1, list(_RIGHT_EYE)],
            pupils,
            crops.to_picture(frames, meshes[:, mesh.places(_MESH)], CHIP),
        ],
        axis=1,
    )[:, list(_ORDER)]
