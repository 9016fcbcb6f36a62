"""Model packs on disk, ready to run."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from facedex.vision import alignment, pose, quality
from facedex.vision.calibration import Calibration
from facedex.vision.detection import LONGEST_SIDE, CenterFace, Detections
from facedex.vision.embedding import DlibResnet
from facedex.vision.errors import PackMissing
from facedex.vision.faces import Box, Face
from facedex.vision.images import Image
from facedex.vision.sessions import Network

Floats = NDArray[np.float32]


class Detector(Protocol):
    """Finds faces in RGB pixels (rows, columns, 3)."""

    network: Network

    def detect(self, pixels: NDArray[np.uint8], *, longest_side: int) -> Detections:
        """Return the faces, in the coordinates of the pixels."""
        ...


class Embedder(Protocol):
    """Turns aligned chips (n, s, s, 3) into unit vectors (n, dimension)."""

    network: Network

    def embed(self, chips: NDArray[np.uint8]) -> Floats:
        """Return the vectors in the order of the chips."""
        ...


DETECTORS: Mapping[str, Callable[..., Detector]] = {"centerface": CenterFace}
EMBEDDERS: Mapping[str, Callable[..., Embedder]] = {"dlib-resnet": DlibResnet}


@dataclass(frozen=True, eq=False)
class Pack:
    """A detector and an embedder that belong together, and what is known about them."""

    name: str
    version: str
    dimension: int
    chip_size: int
    template: Floats  # (5, 2) x y, pixels of the chip
    calibration: Calibration
    detector: Detector
    embedder: Embedder

    @property
    def model_version(self) -> str:
        """FaceModelVersion on the wire, such as dlib-1."""
        return f"{self.name}-{self.version}"

    def open(self) -> None:
        """Load both networks now instead of with the first picture."""
        self.detector.network.open()
        self.embedder.network.open()

    def find(self, image: Image, *, longest_side: int = LONGEST_SIDE) -> list[Face]:
        """Return the faces of a picture, the largest first.

        The picture is searched at a size of at most `longest_side` pixels.
        """
        found = self.detector.detect(image.pixels, longest_side=longest_side)
        rows, columns = image.pixels.shape[:2]
        whole = np.array([columns, rows], dtype=np.float32)
        corners = found.boxes[:, :2] / whole
        extents = found.boxes[:, 2:] / whole - corners
        chips = alignment.align(image.pixels, found.landmarks, self.template, self.chip_size)
        faces = [
            Face(
                box=Box(left, top, width, height),
                confidence=confidence,
                landmarks=landmarks / whole,
                pose=head,
                quality=clarity,
                size=(round(width * image.width), round(height * image.height)),
            )
            for (left, top), (width, height), confidence, landmarks, head, clarity in zip(
                corners.tolist(),
                extents.tolist(),
                (100 * found.scores).tolist(),
                found.landmarks,
                pose.estimate(found.landmarks),
                quality.measure(chips),
                strict=True,
            )
        ]
        return sorted(faces, key=lambda face: face.box.width * face.box.height, reverse=True)

    def embed(self, image: Image, faces: Sequence[Face]) -> Floats:
        """Return unit vectors (n, dimension) of faces that were found in this picture."""
        rows, columns = image.pixels.shape[:2]
        places = np.array([face.landmarks for face in faces], dtype=np.float32).reshape(-1, 5, 2)
        landmarks = places * np.array([columns, rows], dtype=np.float32)
        chips = alignment.align(image.pixels, landmarks, self.template, self.chip_size)
        return self.embedder.embed(chips)


@functools.cache
def load(directory: Path, *, threads: int = 1) -> Pack:
    """Return the pack in a directory, made once per process; `threads` work on each picture.

    Raises PackMissing where the directory holds no whole pack, or one of a kind unknown here.
    """
    try:
        manifest = tomllib.loads((directory / "pack.toml").read_text(encoding="utf-8"))
        return _build(directory, manifest, threads)
    except FileNotFoundError as error:
        raise PackMissing(
            f"There is no whole model pack in {directory}; fetch one with `facedex models pull`."
        ) from error
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise PackMissing(
            f"The model pack in {directory} cannot be used ({error!r}); fetch it again."
        ) from error


def _build(directory: Path, manifest: Mapping[str, Any], threads: int) -> Pack:
    detector, embedder = manifest["detector"], manifest["embedder"]
    for part, kinds in ((detector, DETECTORS), (embedder, EMBEDDERS)):
        if part["kind"] not in kinds:
            raise PackMissing(
                f"The model pack in {directory} needs {part['kind']!r}; this version of Facedex "
                f"runs {', '.join(kinds)}. Take a newer version of Facedex or another pack."
            )
    paths = directory / "detector.onnx", directory / "embedder.onnx"
    for path in paths:
        path.stat()
    calibration = manifest["calibration"]
    return Pack(
        name=manifest["name"],
        version=manifest["version"],
        dimension=embedder["dimension"],
        chip_size=embedder["chip_size"],
        template=np.array(embedder["template"], dtype=np.float32).reshape(5, 2),
        calibration=Calibration(calibration["cosine"], calibration["false_match_rate"]),
        detector=DETECTORS[detector["kind"]](paths[0], threads=threads),
        embedder=EMBEDDERS[embedder["kind"]](
            paths[1], dimension=embedder["dimension"], threads=threads
        ),
    )
