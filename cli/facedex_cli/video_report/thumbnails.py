"""Small pictures of the persons, from the user's own copy of the video."""

from __future__ import annotations

import io
import math
from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from PIL import Image, ImageStat

from facedex.media.films import probe
from facedex.media.frames import sample
from facedex.media.segments import Grid, Segment
from facedex_cli.video_report.persons import Person

_SIDE: Final = 160  # pixels
_MARGIN: Final = 0.45  # of the face's size, on each side
_MIN_LUMA: Final = 70  # mean, 0..255; darker pictures are lightened to this
_MIN_EXPONENT: Final = 0.35  # of the gamma curve; a smaller one would only amplify noise
_EVERY_FRAME: Final = 1000.0  # samples per second: each millisecond is a cell of the grid
_TOLERANCE: Final = 100  # ms after the requested time within which a frame is accepted


def cut(film: Path, persons: Sequence[Person]) -> Mapping[int, str]:
    """Return a JPEG of each person as a data URL, from the frame in which the face is seen best.

    Returns:
        Data URLs by the person's index. A person whose frame is not found has none.

    Raises:
        FilmError: if the file is not a readable video.
        OSError: if the file cannot be read.
    """
    pictures = {}
    with film.open("rb") as source:
        recordings = probe(source).recordings
        for person in persons:
            stretch = Segment(0, person.peak, person.peak + _TOLERANCE)
            source.seek(0)
            found = next(sample(source, stretch, Grid(_EVERY_FRAME), recordings), None)
            if found:
                pictures[person.index] = _data_url(found[1].picture, person.box)
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
    """Lighten a dark picture, so that the face is recognisable."""
    mean = ImageStat.Stat(picture.convert("L")).mean[0]
    if not 0 < mean < _MIN_LUMA:
        return picture
    exponent = max(_MIN_EXPONENT, math.log(_MIN_LUMA / 255) / math.log(mean / 255))
    return picture.point([round(255 * (value / 255) ** exponent) for value in range(256)] * 3)
