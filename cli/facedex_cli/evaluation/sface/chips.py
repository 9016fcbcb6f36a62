"""Chips for measuring SFace: from photos, videos and archives, in several views and tones."""

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
    """Return chips (n, 112, 112, 3) of the faces in photos, videos and archives of crops.

    Faces of archives get one additional tone; all others, of which there are fewer, get all tones.
    """
    chips: list[NDArray[np.uint8]] = []
    for number, (picture, archived) in enumerate(pictures(sources)):
        faces = pack.detect(picture, limit=1 if archived else 100)
        for face in faces:
            if not archived and min(face.size) < SMALLEST:
                continue
            landmarks = (face.landmarks * picture.extent)[None].astype(np.float32)
            views = list(pack.embedder.cut(picture.picture, landmarks)[0][0])
            chips += views
            if archived:
                toned = tones(views[number % 2])
                chips.append(toned[number // 2 % len(toned)])
            else:
                chips += [each for view in views for each in tones(view)]
    return np.stack(chips)


def tones(chip: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Return the chip brighter and darker, with more contrast and colour, in grey, and sharper."""
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
