"""DetectFaces with all attributes compared with the default ones, and the price of a further face.

Times are CPU time with one ONNX Runtime thread, which other programs disturb less: the least of
many rounds that take turns. The photos are the two public portraits at 640 pixels, and a collage of
both that repeats them. A further face may take 3 ms on a machine where dlib's network takes 80 ms
for a face, so dlib takes its turns too.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from facedex.api.face_details import face_detail
from facedex.vision import images, packs
from facedex.vision.attributes import networks
from facedex.vision.attributes.networks import AttributePack
from facedex.vision.attributes.values import EVERY
from facedex.vision.packs import Pack
from facedex_cli.demo import portraits
from facedex_models import installing
from tests.bench.measuring import machine, portrait, report
from tests.bench.peers import Recipe

ROUNDS = 40
FACES = 8  # in the collage
SIDE = (480, 480)
BAR, DLIB = 3.0, 80.0  # milliseconds: what a further face may take where dlib takes so long


def main() -> None:
    pack = packs.load(installing.pull(), threads=1)
    attributes = networks.load(installing.pull("attributes"), threads=1)
    assert attributes is not None
    lines = []
    for name, photo in portraits.fetch().items():
        jpeg = _jpeg(ImageOps.contain(_open(photo), (640, 640)))
        plain, full = _least(
            partial(_detect, pack, None, jpeg), partial(_detect, pack, attributes, jpeg)
        )
        lines.append(
            f"{name}: DEFAULT {plain:.1f} ms, ALL {full:.1f} ms, {full / plain:.2f} times as long"
        )
    report("DetectFaces of a portrait of 640 pixels, from JPEG to document, one thread", *lines)
    one, many = (_collage(count) for count in (1, FACES))
    recipe = Recipe()
    chip = recipe.chip(np.asarray(_open(portrait())))
    dlib, *least = _least(
        partial(recipe.embed, chip),
        *(
            partial(_detect, pack, chosen, photo)
            for photo in (one, many)
            for chosen in (None, attributes)
        ),
    )
    more = ((least[3] - least[2]) - (least[1] - least[0])) / (FACES - 1)
    print(f"  a further face: ALL takes {more:.2f} ms more than DEFAULT")
    print(f"  dlib takes {dlib:.1f} ms a face, so the bar is {BAR * dlib / DLIB:.2f} ms here")
    _parts(pack, attributes)
    print(f"  on {machine()}")


def _parts(pack: Pack, attributes: AttributePack) -> None:
    image = _decode(_collage(1))
    faces = pack.find(image)
    chosen = [EVERY, *(frozenset({attribute}) for attribute in sorted(EVERY))]
    for names, took in zip(
        chosen,
        _least(*(partial(attributes.measure, image, faces, each) for each in chosen)),
        strict=True,
    ):
        print(f"    {'ALL' if names == EVERY else next(iter(names))}: {took:.2f} ms")


def _detect(pack: Pack, attributes: AttributePack | None, photo: bytes) -> list[dict[str, Any]]:
    image = _decode(photo)
    faces = pack.find(image)
    if attributes is not None:
        faces = attributes.measure(image, faces, EVERY)
    return [face_detail(face) for face in faces]


def _decode(photo: bytes) -> images.Image:
    return images.decode(
        photo, max_pixels=10**8, max_whole_pixels=10**8, smallest_side=80, patience=None
    )


def _least(*programs: Callable[[], object]) -> list[float]:
    """Return the least CPU time of each program in ms, taken in turns."""
    times: list[list[float]] = [[] for _ in programs]
    for turn in range(-2, ROUNDS):
        for program, taken in zip(programs, times, strict=True):
            start = time.process_time()
            program()
            if turn >= 0:
                taken.append(time.process_time() - start)
    return [1000 * min(each) for each in times]


def _collage(count: int) -> bytes:
    """Return a photo of 4 x 2 portraits, of which the first ones are faces and the others gray."""
    faces = [np.asarray(ImageOps.fit(_open(photo), SIDE)) for photo in portraits.fetch().values()]
    gray = np.full((*SIDE, 3), 128, np.uint8)
    tiles = [faces[number % 2] if number < count else gray for number in range(FACES)]
    rows = [np.concatenate(tiles[start : start + 4], axis=1) for start in (0, 4)]
    return _jpeg(Image.fromarray(np.concatenate(rows)))


def _open(photo: bytes) -> Image.Image:
    with Image.open(io.BytesIO(photo)) as picture:
        return picture.convert("RGB")


def _jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
