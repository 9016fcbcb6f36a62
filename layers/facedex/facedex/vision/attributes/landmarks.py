"""Rekognition's thirty landmarks, as points of the face mesh and of the eyes' contours.

Left and right are those of the upright picture, so a point of the left eye belongs to the person's
right eye. MediaPipe numbers the points of its mesh; docs/attributes.md shows the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from facedex.vision.attributes.crops import Complex

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
_LIDS: Final = 16  # points of the contour that lie on the lids


def thirty(mesh: Complex, contours: Sequence[Complex], pupils: Complex) -> Complex:
    """Return the thirty landmarks (30,) in the order of the service model.

    All points are x + iy in the picture.

    Args:
        mesh: (468,) points of the mesh.
        contours: (71,) of the left and of the right eye.
        pupils: (2,) of the left and of the right eye.
    """
    left, right = contours
    return np.concatenate(
        [
            [left[:_LIDS].mean(), right[:_LIDS].mean(), mesh[_NOSE_TIP]],
            mesh[list(_MOUTH_CORNERS)],
            mesh[list(_BROWS)],
            left[list(_LEFT_EYE)],
            right[list(_RIGHT_EYE)],
            mesh[list(_NOSTRILS)],
            mesh[list(_LIPS)],
            pupils,
            mesh[list(_JAW)],
        ]
    )
