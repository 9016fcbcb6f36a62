"""Chips to measure SFace on: of photos, films and archives, in the views and tones of real life."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image as pillow
from PIL import ImageEnhance, ImageFilter

from facedex.vision import images
from facedex.vision.packs import Pack
from local.evaluation import photos

# As the embedder sees faces: upright, and the mirror image a little larger.
# Of an archive, one photo in so many: the others are for evaluations.
ARCHIVED = 13
# Frames of a film: so many seconds apart.
APART = 0.4
SMALLEST = 60  # pixels, of a face in a photo or a frame


def collect(pack: Pack, sources: Sequence[Path]) -> NDArray[np.uint8]:
    """Return chips (n, 112, 112, 3) of the faces on photos, in films and in archives of crops.

    Faces of archives come in one tone besides their own, all others in each: there are fewer.
    """
    chips: list[NDArray[np.uint8]] = []
    for number, (picture, archived) in enumerate(_pictures(sources)):
        faces = pack.detect(picture, most=1 if archived else 100)
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


def _pictures(sources: Sequence[Path]) -> Iterator[tuple[images.Image, bool]]:
    """Yield each picture, and whether it is out of an archive."""
    for source in sources:
        if source.suffix == ".zip":
            with zipfile.ZipFile(source) as archive:
                names = sorted(name for name in archive.namelist() if not name.endswith("/"))
                for name in names[::ARCHIVED]:
                    yield images.decode(archive.read(name)), True
        elif source.suffix == ".mp4":
            yield from ((frame, False) for frame in _frames(source))
        else:
            for path in photos.below(source) if source.is_dir() else [source]:
                yield photos.read(path), False


def _frames(film: Path) -> Iterator[images.Image]:
    due = 0.0
    with av.open(str(film)) as container:
        for frame in container.decode(video=0):
            if frame.time is not None and frame.time >= due:
                due = frame.time + APART
                pixels = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
                yield images.Image(pixels, pixels.shape[1], pixels.shape[0])
