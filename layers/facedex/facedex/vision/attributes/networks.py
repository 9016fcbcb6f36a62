"""The attributes pack: its networks, and what they measure of the faces of an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from facedex.vision.attributes import crops
from facedex.vision.attributes.ages import age_range
from facedex.vision.attributes.crops import CHIP, Complex, Floats, Frame, Pixels
from facedex.vision.attributes.expressions import emotions
from facedex.vision.attributes.eyes import Eyes, find_eyes
from facedex.vision.attributes.heads import FILE as HEADS
from facedex.vision.attributes.heads import Heads, halve, lip_gaps
from facedex.vision.attributes.landmarks import thirty
from facedex.vision.attributes.values import ANSWERS, Attribute, Details
from facedex.vision.attributes.visibility import doubted, visible
from facedex.vision.faces import Face
from facedex.vision.sessions import Network
from facedex.vision.vision_errors import PackMissing

if TYPE_CHECKING:
    from PIL.Image import Image as Chip

    from facedex.vision.images import Image

NAME: Final = "attributes"  # of the pack and its folder

# The attributes that each network is needed for.
_OF_EYES: Final = frozenset(
    {Attribute.EYES_OPEN, Attribute.EYE_DIRECTION, Attribute.THIRTY_LANDMARKS}
)
_OF_MESH: Final = _OF_EYES | {Attribute.MOUTH_OPEN}
_OF_HEADS: Final = frozenset(ANSWERS) - {Attribute.EYES_OPEN}
_OF_GENDER: Final = _OF_HEADS | {Attribute.GENDER}
_OF_EMOTIONS: Final = _OF_HEADS | {Attribute.EMOTIONS}


@dataclass(frozen=True, eq=False)
class AttributePack:
    """The networks, each loaded when it is first run, and the classifiers on their features."""

    mesh: Network
    iris: Network
    age: Network
    gender: Network
    emotions: Network
    heads: Heads

    def open(self) -> None:
        """Load the networks now instead of with the first request."""
        for network in (self.mesh, self.iris, self.age, self.gender, self.emotions):
            network.open()

    def measure(
        self, image: Image, faces: Sequence[Face], attributes: frozenset[Attribute]
    ) -> list[Face]:
        """Return faces of an image with the attributes; only the networks for them are run."""
        if not faces:
            return []
        size = image.extent
        frames = [crops.face_frame(face.landmarks * size) for face in faces]
        seen = [
            visible(face.landmarks * size, frame.side, size)
            for face, frame in zip(faces, frames, strict=True)
        ]
        chips = [frame.cut(image.picture, CHIP) for frame in frames]
        looks = self._look_at(chips, attributes)
        shapes = self._shape_of(chips, frames, attributes)
        answers = self._answers(looks, shapes, attributes)
        landmarks: list[list[list[float]]] | None = None
        if Attribute.THIRTY_LANDMARKS in attributes and shapes and shapes.eyes:
            points = thirty(shapes.meshes, frames, shapes.eyes)
            landmarks = (np.stack([points.real, points.imag], axis=2) / size).tolist()
        return [
            replace(
                face,
                details=Details(
                    landmarks=landmarks[number] if landmarks else None,
                    age_range=None if looks.ages is None else age_range(looks.ages[number]),
                    male=float(100 * looks.genders[number, 1])
                    if looks.genders is not None and Attribute.GENDER in attributes
                    else None,
                    emotions=emotions(looks.emotions[number])
                    if looks.emotions is not None and Attribute.EMOTIONS in attributes
                    else None,
                    gaze=shapes.eyes[number].gaze(face.pose.yaw, seen[number].eyes)
                    if shapes and shapes.eyes and Attribute.EYE_DIRECTION in attributes
                    else None,
                    answers=doubted(answers[number], seen[number]),
                ),
            )
            for number, face in enumerate(faces)
        ]

    def _look_at(self, faces: Sequence[Chip], attributes: frozenset[Attribute]) -> _Looks:
        """Return what the networks for age, gender and emotions see in the faces."""
        if not attributes & (_OF_GENDER | _OF_EMOTIONS | {Attribute.AGE_RANGE}):
            return _Looks()
        chips = np.stack([np.asarray(crops.small_chip(face)) for face in faces])
        ages = self.age.run(chips)[0] if Attribute.AGE_RANGE in attributes else None
        genders, further = self.gender.run(chips) if attributes & _OF_GENDER else (None, None)
        expressions, features = None, None
        if attributes & _OF_EMOTIONS:
            # One face at a time stays in the processor's cache.
            found = self.emotions.run_each([chip[None] for chip in chips])
            expressions, features = (np.concatenate(each) for each in zip(*found, strict=True))
            expressions = expressions.mean(axis=1)
        return _Looks(chips, ages, genders, expressions, features, further)

    def _shape_of(
        self, chips: Sequence[Chip], frames: Sequence[Frame], attributes: frozenset[Attribute]
    ) -> _Shapes | None:
        """Return the meshes and the eyes of the faces."""
        if not attributes & _OF_MESH:
            return None
        # The network is as fast one face at a time as in batches.
        batches = [np.asarray(chip)[None] for chip in chips]
        found = np.concatenate([mesh for (mesh,) in self.mesh.run_each(batches)])
        meshes = found[..., 0] + 1j * found[..., 1]
        eyes = find_eyes(self.iris, chips, meshes, frames) if attributes & _OF_EYES else None
        return _Shapes(meshes, eyes)

    def _answers(
        self, looks: _Looks, shapes: _Shapes | None, attributes: frozenset[Attribute]
    ) -> list[dict[Attribute, float]]:
        """Return the probability in percent of each attribute that is true or false."""
        count = len(shapes.meshes) if shapes else 0 if looks.chips is None else len(looks.chips)
        found: list[dict[Attribute, float]] = [{} for _ in range(count)]
        if looks.chips is not None and looks.features is not None and looks.further is not None:
            gaps = None if shapes is None else lip_gaps(shapes.meshes)
            features = looks.features, halve(looks.further)[:, None]
            found = self.heads.chances(features, looks.chips, gaps)
        if shapes and shapes.eyes:
            for answers, eyes in zip(found, shapes.eyes, strict=True):
                answers[Attribute.EYES_OPEN] = eyes.open_chance
        wanted = [name for name in ANSWERS if name in attributes]
        return [{name: answers[name] for name in wanted} for answers in found]


@dataclass(frozen=True, slots=True, eq=False)
class _Looks:
    """The small chips of faces, and the results of the networks on them; None if not needed."""

    chips: Pixels | None = None
    ages: Floats | None = None
    genders: Floats | None = None
    emotions: Floats | None = None
    features: Floats | None = None  # (n, 2, ...) of the emotion network, for face and mirror image
    further: Floats | None = None  # (n, ...) of the gender network


@dataclass(frozen=True, slots=True, eq=False)
class _Shapes:
    """Of faces: the points (n, points) of their meshes in the chips, and their eyes if needed."""

    meshes: Complex
    eyes: Sequence[Eyes] | None


def load(directory: Path, *, threads: int = 1) -> AttributePack | None:
    """Load the attributes pack; its networks are loaded when they are first run.

    Args:
        directory: the pack's folder.
        threads: ONNX Runtime threads for each network.

    Returns:
        The pack, or None if it is not installed.

    Raises:
        PackMissing: if the pack is incomplete.
    """
    if not (directory / "pack.toml").is_file():
        return None
    try:
        classifiers = Heads.load(directory)
    except (OSError, KeyError, ValueError) as error:
        raise PackMissing.unusable(directory / HEADS) from error
    mesh, iris, age, gender, emotions_network = (
        Network(directory / f"{name}.onnx", threads=threads)
        for name in ("mesh", "iris", "age", "gender", "emotions")
    )
    return AttributePack(mesh, iris, age, gender, emotions_network, classifiers)
