"""Small pictures of the persons, from the user's own copy of the film."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from PIL import Image

from facedex.media.frames import sample
from facedex.media.segments import Grid, Segment
from local.video_report.persons import Person

_SIDE: Final = 160  # pixels
_MARGIN: Final = 0.45  # of the face's size, around it
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
    face.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS).save(file, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{b64encode(file.getvalue()).decode()}"
