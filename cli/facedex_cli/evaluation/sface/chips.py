"""Chips to measure SFace on: of photos, films and archives, in the views and tones of real life."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pillow
from PIL import ImageEnhance, ImageFilter

from facedex.vision.packs import Pack
from facedex_cli.evaluation.sources import pictures

SMALLEST = 60  # pixels, of a face in a photo or a frame


def collect(pack: Pack, sources: Sequence[Path]) -> NDArray[np.uint8]:
    """Return chips (n, 112, 112, 3) of the faces on photos, in films and in archives of crops.

    Faces of archives come in one tone besides their own, all others in each: there are fewer.
    """
    chips: list[NDArray[np.uint8]] = []
    for number, (picture, archived) in enumerate(pictures(sources)):
        faces = pack.detect(picture, limit=1 if archived else 100)
        whole = np.array([picture.pixels.shape[1], picture.pixels.shape[0]], np.float32)
        for face in faces:
            if not archived and min(face.size) < SMALLEST:
                continue
            marks = (face.landmarks * whole)[None].astype(np.float32)
            views = list(pack.embedder.cut(picture.pixels, marks)[0][0])
            chips += views
            if archived:
                toned = tones(views[number % 2])
                chips.append(toned[number // 2 % len(toned)])
            else:
                chips += [each for view in views for each in tones(view)]
    return np.stack(chips)


def tones(chip: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Return the chip in more and less light, with more contrast and colour, grey and sharper."""
    picture = pillow.fromarray(np.ascontiguousarray(chip))
    changed = (
        ImageEnhance.Contrast(picture).enhance(1.5),
        ImageEnhance.Brightness(picture).enhance(0.5),
        ImageEnhance.Brightness(picture).enhance(1.5),
        ImageEnhance.Color(picture).enhance(1.8),
        picture.convert("L").convert("RGB"),
        picture.filter(ImageFilter.UnsharpMask(2, 200, 0)),
    )
    return [np.asarray(each) for each in changed]
