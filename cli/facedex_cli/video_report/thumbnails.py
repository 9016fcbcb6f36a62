"""Small pictures of the persons, from the user's own copy of the film."""

from __future__ import annotations

import io
import math
from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from PIL import Image, ImageStat

from facedex.media.frames import sample
from facedex.media.segments import Grid, Segment
from facedex_cli.video_report.persons import Person

_SIDE: Final = 160  # pixels
_MARGIN: Final = 0.45  # of the face's size, around it
_LIGHT: Final = 70  # mean luma, 0..255, that darker pictures are lightened to
_STRONGEST: Final = 0.35  # exponent of the lightest curve: more shows nothing but noise
_EVERY_FRAME: Final = 1000.0  # looks a second: each millisecond is a cell
_PATIENCE: Final = 100  # ms after the moment in which a frame is looked for


def cut(film: Path, persons: Sequence[Person]) -> Mapping[int, str]:
    """A data URL of a JPEG for each person, at the moment when the face is seen best.

    Raises:
        FilmError: the film cannot be read.
        OSError: nor can the file.
    """
    pictures = {}
    with film.open("rb") as source:
        for person in persons:
            stretch = Segment(0, person.peak, person.peak + _PATIENCE)
            source.seek(0)
            found = next(sample(source, stretch, Grid(_EVERY_FRAME)), None)
            if found:
                pictures[person.index] = _data_url(Image.fromarray(found[1].pixels), person.box)
    return pictures


def _data_url(frame: Image.Image, box: tuple[float, float, float, float]) -> str:
    left, top, width, height = box
    middle = (left + width / 2) * frame.width, (top + height / 2) * frame.height
    half = (0.5 + _MARGIN) * max(width * frame.width, height * frame.height)
    x, y = middle
    face = frame.crop((round(x - half), round(y - half), round(x + half), round(y + half)))
    file = io.BytesIO()
    small = _lighten(face.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS))
    small.save(file, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{b64encode(file.getvalue()).decode()}"


def _lighten(picture: Image.Image) -> Image.Image:
    """Lift a dark picture, so that one sees who it shows."""
    mean = ImageStat.Stat(picture.convert("L")).mean[0]
    if not 0 < mean < _LIGHT:
        return picture
    exponent = max(_STRONGEST, math.log(_LIGHT / 255) / math.log(mean / 255))
    return picture.point([round(255 * (value / 255) ** exponent) for value in range(256)] * 3)
