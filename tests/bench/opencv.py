"""A 640x480 portrait with OpenCV's FaceDetectorYN and FaceRecognizerSF, and with Facedex.

Both use the same recogniser. OpenCV's detector is YuNet, and Facedex's is CenterFace.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facedex.vision import alignment, images, packs
from facedex.vision.alignment import UPRIGHT, View
from facedex.vision.sessions import Network
from facedex_models import installing
from tests.bench.measuring import best, milliseconds, portrait, ratio, report, side_by_side
from tests.bench.serving import serving
from tests.bench.sface_files import ours, published

ROUNDS = 40
CALLS = 10  # of a longer turn


# InsightFace's arcface_dst, which OpenCV uses for alignment too.
TEMPLATE = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ],
    np.float32,
)


class OpenCv:
    """OpenCV's own classes, as its tutorials use them."""

    def __init__(self, detector: Path, recogniser: Path) -> None:
        cv2.setNumThreads(1)
        self._detector = cv2.FaceDetectorYN.create(str(detector), "", (320, 320))
        self._recogniser = cv2.FaceRecognizerSF.create(str(recogniser), "")

    def describe(self, photo: bytes, views: int = 1) -> list[Any]:
        """Return the vector of every face in a JPEG, as its tutorials do, or that of two views."""
        pixels = cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_COLOR)
        assert pixels is not None
        self._detector.setInputSize((pixels.shape[1], pixels.shape[0]))
        _, faces = self._detector.detect(pixels)
        found = faces if faces is not None else []
        chips = [self._recogniser.alignCrop(pixels, face) for face in found]
        vectors: list[Any] = [self._recogniser.feature(chip).copy() for chip in chips]
        if views == 1:
            return vectors
        mirrored = [self._recogniser.feature(cv2.flip(chip, 1)) for chip in chips]
        return [(one + other) / 2 for one, other in zip(vectors, mirrored, strict=True)]


class Ours:
    """CenterFace and SFace in 8 bits, without the server and the store."""

    def __init__(self, recogniser: Path) -> None:
        self._pack = packs.load(installing.pull(), threads=1)
        self._recogniser = Network(recogniser, threads=1)

    def describe(self, photo: bytes, views: Sequence[View]) -> list[NDArray[np.float32]]:
        """Return the vector of every face in a JPEG: the mean over the views, others mirrored."""
        picture = images.decode(photo)
        faces = self._pack.detect(picture)
        whole = picture.extent
        marks = np.array([face.landmarks for face in faces], np.float32).reshape(-1, 5, 2) * whole
        chips = alignment.cut(picture.picture, marks, TEMPLATE, 112, views)
        return [self._recogniser.run(face)[0].mean(axis=0) for face in chips]


def _index(peer: OpenCv, photo: bytes, threads: int | None) -> list[str]:
    """Compare IndexFaces through boto3 with OpenCV's bare pipeline, in short and in longer turns.

    Args:
        peer: OpenCV's pipeline.
        photo: the portrait.
        threads: inference threads of both; None for the default of each.
    """
    names = count()
    cv2.setNumThreads(threads or -1)
    settings = {"FACEDEX_PACK": "sface"} | ({"FACEDEX_THREADS": str(threads)} if threads else {})
    with serving(**settings) as server:
        client = server.client("rekognition")
        client.create_collection(CollectionId="bench")

        def index() -> None:
            answer = client.index_faces(
                # A new name each time, so that each call stores a face.
                CollectionId="bench",
                Image={"Bytes": photo},
                ExternalImageId=str(next(names)),
            )
            assert len(answer["FaceRecords"]) == 1

        programs = [lambda: peer.describe(photo), index]
        found = {
            "in turns": side_by_side(programs, rounds=ROUNDS),
            f"in turns of {CALLS} calls": side_by_side(programs, rounds=ROUNDS // 4, calls=CALLS),
        }
    setting = "one thread each" if threads else "the default threads of each"
    return [
        f"IndexFaces through boto3, {setting}, {turns}: {milliseconds(indexed)}"
        f" (best {best(indexed)}), OpenCV {milliseconds(theirs)} (best {best(theirs)}):"
        f" {ratio(theirs, indexed):.2f} x as fast"
        for turns, (theirs, indexed) in found.items()
    ]


def main() -> None:
    photo = portrait()
    two = (View(zoom=0.9), View(mirrored=True))
    with published() as files, ours() as (_, quantised):
        peer, bare = OpenCv(*files), Ours(quantised)
        assert len(peer.describe(photo)) == len(bare.describe(photo, two)) == 1
        theirs, mirrored, single, double = side_by_side(
            [
                lambda: peer.describe(photo),
                lambda: peer.describe(photo, 2),
                lambda: bare.describe(photo, (UPRIGHT,)),
                lambda: bare.describe(photo, two),
            ],
            rounds=ROUNDS,
        )
        lines = [
            f"OpenCV {cv2.__version__}: {milliseconds(theirs)} (best {best(theirs)}); of the chip"
            f" and its mirror image {milliseconds(mirrored)} (best {best(mirrored)})",
            f"ours, one view: {milliseconds(single)} (best {best(single)}):"
            f" {ratio(theirs, single):.2f} x as fast (best {min(theirs) / min(single):.2f} x)",
            f"ours, two views: {milliseconds(double)} (best {best(double)}):"
            f" {ratio(theirs, double):.2f} x as fast (best {min(theirs) / min(double):.2f} x), and"
            f" {ratio(mirrored, double):.2f} x (best {min(mirrored) / min(double):.2f} x) where"
            " OpenCV takes two views too",
        ]
        lines += [line for threads in (1, None) for line in _index(peer, photo, threads)]
    report("A 640x480 portrait, JPEG to vector, one thread unless said otherwise", *lines)


if __name__ == "__main__":
    main()
