"""Turned photos: the cost of the second search for an upright photo, and the copies that it finds.

With ``--data DIR`` the photos are those of all folders in DIR, of which ``--every N`` takes each
N-th; else the two public portraits.
"""

from __future__ import annotations

import argparse
import io
import statistics
import time
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
from tests.bench.measuring import machine, report
from tests.media.turning import ANGLES, FILLS, picture, turned

Look = Callable[[Pixels], Detections]

OWN = 99  # Similarity of a copy to the upright photo
SIDE = 640  # pixels of a photo's longest side
ROUNDS = 24


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--cost", action="store_true", help="no turned copies")
    choice = parser.parse_args()
    pack = packs.load(installing.pull(), threads=1)
    photos = _photos(choice.data)[:: choice.every]
    search = partial(pack.detector.detect, longest_side=1280)

    def find(pixels: Pixels) -> Detections:
        return search(Image.fromarray(pixels))

    def verify(pixels: Pixels) -> Detections:
        photo = Image.fromarray(pixels)
        found, legible = upright.verify_landmarks(search, photo, search(photo))
        return found.select(legible)

    plain, second = _cost(pack, photos, find, verify)
    shares = [both / one - 1 for one, both in zip(plain, second, strict=True)]
    report(
        f"The second look at {len(photos)} upright photos, CPU time of one thread",
        f"detection and embedding take {100 * (sum(second) / sum(plain) - 1):.1f} % more,"
        f" {100 * statistics.median(shares):.1f} % in the median,"
        f" {100 * max(shares):.0f} % at most",
    )
    if choice.cost:
        return
    print("Photos whose turned copy does not match them at 99, without and with the second look")
    for degrees in ANGLES:
        lost = [_lost(pack, photos, degrees, look) for look in (find, verify)]
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


def _cost(
    pack: Pack, photos: Sequence[Pixels], find: Look, settle: Look
) -> tuple[list[float], list[float]]:
    """Return the median CPU seconds of each photo without and with the second search.

    CPU time, because other work on the machine changes a difference this small. The two alternate,
    each as often the first.
    """
    times: tuple[list[float], list[float]] = ([], [])
    for pixels in photos:
        taken: dict[Look, list[float]] = {find: [], settle: []}
        for turn in range(-1, ROUNDS):
            for look in (find, settle) if turn % 2 else (settle, find):
                start = time.process_time()
                _vectors(pack, pixels, look)
                if turn >= 0:
                    taken[look].append(time.process_time() - start)
        for each, look in zip(times, (find, settle), strict=True):
            each.append(statistics.median(taken[look]))
    return times


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
