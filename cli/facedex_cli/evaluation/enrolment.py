"""Computation of photos' vectors, as the product stores them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facedex.vision.packs import Pack
from facedex.vision.vision_errors import ImageTooLarge, InvalidImage
from facedex_cli.evaluation import photos
from facedex_cli.evaluation.photos import Photo


@dataclass(frozen=True)
class Enrolment:
    """The vectors of the photos' largest faces, and the photos without one, with the reasons."""

    vectors: NDArray[np.float32]  # (n, dimension), of the photos in `taken`
    taken: NDArray[np.intp]  # (n,) indices of the photos
    failures: dict[Photo, str]


def enrol(
    pack: Pack, files: Sequence[Photo], *, advance: Callable[[], None] = lambda: None
) -> Enrolment:
    """Find, measure and embed the largest face of each photo.

    Vectors are rounded to half precision, as in the database.

    Args:
        pack: the pack to use.
        files: the photos.
        advance: called after each photo.
    """
    vectors: list[NDArray[np.float32]] = []
    taken: list[int] = []
    failures: dict[Photo, str] = {}
    for index, file in enumerate(files):
        try:
            image = photos.read(file)
            found = pack.find(image)
            faces = [face for face in found if face.legible][:1]
            if faces:
                vectors.append(pack.embed(image, faces)[0])
                taken.append(index)
            else:
                failures[file] = "no face can be identified" if found else "no face found"
        except (InvalidImage, ImageTooLarge, OSError) as error:
            failures[file] = str(error)
        advance()
    stacked = np.array(vectors, dtype=np.float16).reshape(-1, pack.dimension)
    return Enrolment(stacked.astype(np.float32), np.array(taken, dtype=np.intp), failures)
