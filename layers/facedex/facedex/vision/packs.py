"""Model packs on disk: loading and running them."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from facedex.observability import metrics
from facedex.observability.recording import timing
from facedex.vision import alignment, numbers, pose, quality, upright
from facedex.vision.alignment import View
from facedex.vision.calibration import Calibration
from facedex.vision.centerface import CenterFace
from facedex.vision.detection import LONGEST_SIDE, Detections
from facedex.vision.embedding import KINDS, Embedder, FusedEmbedder, SingleEmbedder
from facedex.vision.faces import Box, DetectedFace, Face
from facedex.vision.scrfd import Scrfd
from facedex.vision.sessions import Network
from facedex.vision.stretching import Stretch
from facedex.vision.vision_errors import PackMissing, Uncalibrated
from facedex.vision.yunet import YuNet

if TYPE_CHECKING:  # not at run time, as functions that need only a pack's version lack Pillow
    from PIL.Image import Image as Picture

    from facedex.vision.images import Image

Floats = NDArray[np.float32]

MOST_FACES = 100


class Detector(Protocol):
    """Find faces in RGB pictures."""

    network: Network

    def detect(self, picture: Picture, *, longest_side: int) -> Detections:
        """Return the faces, in the picture's coordinates."""
        ...


DETECTORS: Mapping[str, Callable[..., Detector]] = {
    "centerface": CenterFace,
    "yunet": YuNet,
    "scrfd": Scrfd,
}
FUSED = "fused"  # the kind of an embedder that has several parts

# The user's own calibration, in the manifest's folder. It takes precedence over the manifest's
# section [calibration] and has the same keys.
CALIBRATION = "calibration.toml"


@dataclass(frozen=True, eq=False)
class Pack:
    """A detector and an embedder with their metadata."""

    name: str
    number: int  # unique among packs
    version: str
    dimension: int
    measured: Calibration | None  # None if the pack has not been calibrated
    detector: Detector
    embedder: Embedder

    @property
    def model_version(self) -> str:
        """The FaceModelVersion, such as 1.2: text that clients may parse as a number."""
        return f"{self.number}.{self.version}"

    @property
    def calibration(self) -> Calibration:
        """The conversion of cosines of this pack's vectors to similarities.

        Raises:
            Uncalibrated: if the pack has none.
        """
        if self.measured is None:
            raise Uncalibrated(
                f"The model pack {self.name} has no calibration, so a Similarity would have no"
                f" meaning; create one with `facedex models calibrate FOLDER --pack {self.name}`,"
                " where FOLDER has photos of about 450 different people, and restart Facedex."
            )
        return self.measured

    def open(self) -> None:
        """Load the networks now instead of with the first image."""
        for network in (self.detector.network, *self.embedder.networks):
            network.open()

    def find(
        self,
        image: Image,
        *,
        longest_side: int = LONGEST_SIDE,
        limit: int = MOST_FACES,
        thorough: bool = True,
    ) -> list[Face]:
        """Return the largest faces of an image, the largest first.

        Args:
            image: the image.
            longest_side: maximum side, in pixels, at which the image is searched.
            limit: maximum number of faces.
            thorough: whether to re-examine more of the rotated faces, and to rotate the image if
                no face is found.
        """
        return self.describe(
            image, self.detect(image, longest_side=longest_side, limit=limit, thorough=thorough)
        )

    @timing(metrics.STAGE_DURATION, "detection")
    def detect(
        self,
        image: Image,
        *,
        longest_side: int = LONGEST_SIDE,
        limit: int = MOST_FACES,
        thorough: bool = True,
    ) -> list[DetectedFace]:
        """Return the faces that `find` returns, without poses and qualities; see there."""
        find = functools.partial(self.detector.detect, longest_side=longest_side)
        found = find(image.picture)
        # Limit their number first, as an image may contain a thousand faces.
        largest = found.select(_by_area(found)[:limit])
        found, legible = upright.verify_landmarks(find, image.picture, largest, thorough=thorough)
        # Looks at a turned picture may have found others.
        order = _by_area(found)[:limit]
        found, legible = found.select(order), legible[order]
        size = image.extent
        corners = found.boxes[:, :2] / size
        extents = found.boxes[:, 2:] / size - corners
        return [
            DetectedFace(
                box=Box(left, top, width, height),
                confidence=confidence,
                landmarks=landmarks / size,
                size=(round(width * image.width), round(height * image.height)),
                legible=certain,
            )
            for (left, top), (width, height), confidence, landmarks, certain in zip(
                corners.tolist(),
                extents.tolist(),
                (100 * found.scores).tolist(),
                found.landmarks,
                legible.tolist(),
                strict=True,
            )
        ]

    @timing(metrics.STAGE_DURATION, "description")
    def describe(self, image: Image, faces: Sequence[DetectedFace]) -> list[Face]:
        """Measure the poses and qualities of faces that were detected in this image."""
        landmarks = _landmarks(image, faces)
        chips = alignment.align(image.picture, landmarks, quality.TEMPLATE, quality.SIZE)
        return [
            Face(
                face.box,
                face.confidence,
                face.landmarks,
                face.size,
                head,
                clarity,
                legible=face.legible,
            )
            for face, head, clarity in zip(
                faces, pose.estimate(landmarks), quality.measure(chips), strict=True
            )
        ]

    @timing(metrics.STAGE_DURATION, "embedding")
    def embed(self, image: Image, faces: Sequence[DetectedFace]) -> Floats:
        """Return unit vectors (n, dimension) of faces that were detected in this image."""
        return self.embedder.embed(self.embedder.cut(image.picture, _landmarks(image, faces)))


def _by_area(found: Detections) -> NDArray[np.intp]:
    """Return the indices of the faces from the largest box to the smallest."""
    extents = found.boxes[:, 2:] - found.boxes[:, :2]
    return np.argsort(-extents.prod(axis=1, dtype=np.float64), kind="stable")


def _landmarks(image: Image, faces: Sequence[DetectedFace]) -> Floats:
    """Return the faces' landmarks (n, 5, 2) in the image's pixels."""
    places = np.array([face.landmarks for face in faces], dtype=np.float32).reshape(-1, 5, 2)
    return places * image.extent


def load(directory: Path, *, threads: int = 1) -> Pack:
    """Load the manifest and the calibration of a pack.

    The networks are loaded when they are first run; a missing file raises PackMissing then. The
    pack owns its ONNX Runtime sessions, which are freed with it.

    Args:
        directory: the pack's folder.
        threads: ONNX Runtime threads for each image.

    Raises:
        PackMissing: if the directory contains no pack, or a pack of an unknown kind.
    """
    try:
        manifest = tomllib.loads((directory / "pack.toml").read_text(encoding="utf-8"))
        return _build(directory, manifest, threads)
    except FileNotFoundError as error:
        raise PackMissing.at(directory) from error
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise PackMissing(
            f"The model pack in {directory} cannot be used ({error!r}); fetch it again."
        ) from error


def _build(directory: Path, manifest: Mapping[str, Any], threads: int) -> Pack:
    detector, embedder = manifest["detector"], manifest["embedder"]
    _require_known(directory, detector["kind"], DETECTORS)
    return Pack(
        name=manifest["name"],
        number=numbers.number(manifest),
        version=manifest["version"],
        dimension=embedder["dimension"],
        measured=_calibration(directory, manifest),
        detector=DETECTORS[detector["kind"]](directory / "detector.onnx", threads=threads),
        embedder=_embedder(directory, embedder, threads),
    )


def _embedder(directory: Path, values: Mapping[str, Any], threads: int) -> Embedder:
    """Return the embedder of a manifest's section [embedder], or a part of a fused embedder."""
    if values["kind"] == FUSED:
        return FusedEmbedder(
            [(part["share"], _embedder(directory, part, threads)) for part in values["parts"]]
        )
    _require_known(directory, values["kind"], KINDS)
    return SingleEmbedder(
        Network(directory / values.get("file", "embedder.onnx"), threads=threads, planned=False),
        KINDS[values["kind"]],
        dimension=values["dimension"],
        chip_size=values["chip_size"],
        template=np.array(values["template"], dtype=np.float32).reshape(5, 2),
        views=[View(**view) for view in values.get("views", ())],
        stretch=Stretch.of(**values["stretch"]) if "stretch" in values else None,
    )


def _require_known(directory: Path, kind: str, kinds: Mapping[str, object]) -> None:
    if kind not in kinds:
        raise PackMissing(
            f"The model pack in {directory} needs {kind!r}; this version of Facedex supports"
            f" {', '.join(kinds)}. Use a newer version of Facedex or another pack."
        )


def _calibration(directory: Path, manifest: Mapping[str, Any]) -> Calibration | None:
    own = directory / CALIBRATION
    if not own.is_file():
        return _curve(manifest["calibration"]) if "calibration" in manifest else None
    try:
        return _curve(tomllib.loads(own.read_text(encoding="utf-8")))
    except (KeyError, TypeError, ValueError) as error:
        raise PackMissing(
            f"The calibration {own} cannot be used ({error!r}); delete it, then create another"
            " with `facedex models calibrate`."
        ) from error


def _curve(values: Mapping[str, Any]) -> Calibration:
    return Calibration(values["cosine"], values["false_match_rate"])
