"""Turned photos: what the second look costs an upright photo, and how many copies it finds.

With ``--data DIR`` the photos are those of all folders in DIR, of which ``--every N`` takes each
N-th; else the two public portraits.
"""

from __future__ import annotations

import argparse
import io
import statistics
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from facedex.vision import packs, upright
from facedex.vision.detection import Detections, Floats, Pixels
from facedex.vision.faces import Box, DetectedFace
from facedex.vision.packs import Pack
from facedex_cli.demo import portraits
from facedex_models import installing
from tests.bench.measuring import machine, report, side_by_side
from tests.media.turning import ANGLES, FILLS, picture, turned

Look = Callable[[Pixels], Detections]

OWN = 99  # Similarity of a copy to the upright photo
SIDE = 640  # pixels of a photo's longest side


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--every", type=int, default=1)
    choice = parser.parse_args()
    pack = packs.load(installing.pull(), threads=1)
    photos = _photos(choice.data)[:: choice.every]
    find = partial(pack.detector.detect, longest_side=1280)

    def settle(pixels: Pixels) -> Detections:
        found, legible = upright.settle(find, pixels, find(pixels))
        return found.take(legible)

    shares = _cost(pack, photos, find, settle)
    report(
        f"The second look at {len(photos)} upright photos, one thread",
        f"detection and embedding take {100 * statistics.mean(shares) - 100:.1f} % longer on"
        f" average, {100 * statistics.median(shares) - 100:.1f} % in the median",
    )
    print("Photos whose turned copy does not match them at 99, without and with the second look")
    for degrees in ANGLES:
        lost = [_lost(pack, photos, degrees, look) for look in (find, settle)]
        print(f"  {degrees:3} degrees: {lost[0]:4} {lost[1]:4} of {len(photos)}")
    print(f"  on {machine()}")


def _photos(data: Path | None) -> list[Pixels]:
    endings = {".jpg", ".jpeg", ".png", ".pgm"}
    files: Sequence[Path | io.BytesIO]
    if data is None:
        files = [io.BytesIO(content) for content in portraits.fetch().values()]
    else:
        files = sorted(each for each in data.rglob("*") if each.suffix.lower() in endings)
    photos = []
    for file in files:
        with Image.open(file) as photo:
            photo.thumbnail((SIDE, SIDE))
            photos.append(np.asarray(photo.convert("RGB")))
    return photos


def _cost(pack: Pack, photos: Sequence[Pixels], find: Look, settle: Look) -> list[float]:
    """Return the time of each photo with the second look, in times of that without."""
    shares = []
    for pixels in photos:
        plain, second = side_by_side(
            [
                lambda pixels=pixels, look=look: _vectors(pack, pixels, look)  # type: ignore[misc]
                for look in (find, settle)
            ],
            rounds=15,
            warm_up=1,
        )
        shares.append(min(second) / min(plain))
    return shares


def _lost(pack: Pack, photos: Sequence[Pixels], degrees: int, look: Look) -> int:
    lost = 0
    for number, pixels in enumerate(photos):
        own = _vectors(pack, pixels, look)[:1]
        copy = _vectors(pack, turned(pixels, degrees, FILLS[number % len(FILLS)]), look)
        lost += bool(len(own)) and (copy @ own[0]).max(initial=-1) < pack.calibration.cosine(OWN)
    return lost


def _vectors(pack: Pack, pixels: Pixels, look: Look) -> Floats:
    """Return the vectors (n, d) of a photo's faces, the largest first."""
    found = look(pixels)
    extents = (found.boxes[:, 2:] - found.boxes[:, :2]).prod(axis=1)
    image = picture(pixels)
    size = np.array([image.width, image.height], dtype=np.float32)
    faces = [
        DetectedFace(Box(0, 0, 1, 1), 100.0, found.landmarks[face] / size, (1, 1))
        for face in np.argsort(-extents)
    ]
    return pack.embed(image, faces)


if __name__ == "__main__":
    main()
