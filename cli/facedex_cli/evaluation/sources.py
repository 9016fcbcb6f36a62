"""Photos for measuring networks: single ones, folders, videos, and archives of face crops."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import numpy as np

from facedex.vision import images
from facedex_cli.evaluation import photos

# One in this many photos of an archive is used; the others are for evaluations.
ARCHIVED = 13
# Seconds between the frames of a video that are used.
APART = 0.4


def pictures(sources: Sequence[Path]) -> Iterator[tuple[images.Image, bool]]:
    """Yield each image, and whether it comes from an archive."""
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
