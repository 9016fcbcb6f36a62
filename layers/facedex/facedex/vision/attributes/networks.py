"""The attributes pack: its networks, and what they measure of the faces of an image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from facedex.vision.attributes import crops
from facedex.vision.attributes.ages import age_range
from facedex.vision.attributes.crops import CHIP, SMALL, Floats, Frame, Pixels
from facedex.vision.attributes.expressions import emotions
from facedex.vision.attributes.eyes import Eyes, find_eyes
from facedex.vision.attributes.heads import FILE as HEADS
from facedex.vision.attributes.heads import Heads, eye_shade, halve, lip_gap
from facedex.vision.attributes.landmarks import thirty
from facedex.vision.attributes.values import ANSWERS, Attribute, Details
from facedex.vision.faces import Face
from facedex.vision.sessions import Network
from facedex.vision.vision_errors import PackMissing

if TYPE_CHECKING:
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
        size = np.array(image.pixels.shape[1::-1], dtype=np.float32)
        frames = [crops.face_frame(face.landmarks * size) for face in faces]
        small = [crops.small_frame(frame).cut(image.pixels, SMALL) for frame in frames]
        chips = [frame.cut(image.pixels, CHIP) for frame in frames]
        looks = self._look_at(np.stack(small), attributes)
        return [
            replace(face, details=self._details(_Seen(face, frame, chip, size), look, attributes))
            for face, frame, chip, look in zip(faces, frames, chips, looks, strict=True)
        ]

    def _look_at(self, chips: Pixels, attributes: frozenset[Attribute]) -> Iterator[_Look]:
        """Yield what the networks see in each small chip (n, SMALL, SMALL, 3), in batches."""
        count = len(chips)
        both = np.concatenate([chips, chips[:, :, ::-1]])
        ages = self.age.run(chips)[0] if Attribute.AGE_RANGE in attributes else None
        genders = self.gender.run(both) if attributes & _OF_GENDER else None
        expressions = self.emotions.run(both) if attributes & _OF_EMOTIONS else None
        for face in range(count):
            pair = [face, count + face]
            yield _Look(
                chip=chips[face],
                ages=None if ages is None else ages[face],
                genders=None if genders is None else genders[0][pair].mean(axis=0),
                emotions=None if expressions is None else expressions[0][pair].mean(axis=0),
                features=(expressions[1][pair], halve(genders[1][pair]))
                if genders is not None and expressions is not None
                else None,
            )

    def _details(self, seen: _Seen, look: _Look, attributes: frozenset[Attribute]) -> Details:
        # The mesh and the iris network are as fast one face at a time as in batches.
        mesh = self.mesh.run(seen.chip[None])[0][0] if attributes & _OF_MESH else None
        eyes = None
        if mesh is not None and attributes & _OF_EYES:
            eyes = find_eyes(self.iris, seen.chip, mesh[:, :2], seen.frame)
        answers: dict[Attribute, float] = {}
        if look.features is not None:
            gap = None if mesh is None else lip_gap(mesh[:, :2])
            answers.update(self.heads.chances(look.features, eye_shade(look.chip), gap))
        if eyes is not None:
            answers[Attribute.EYES_OPEN] = eyes.open_chance
        landmarks = None
        if mesh is not None and eyes is not None and Attribute.THIRTY_LANDMARKS in attributes:
            landmarks = seen.landmarks(mesh, eyes)
        return Details(
            landmarks=landmarks,
            age_range=None if look.ages is None else age_range(look.ages),
            male=float(100 * look.genders[1])
            if look.genders is not None and Attribute.GENDER in attributes
            else None,
            emotions=emotions(look.emotions)
            if look.emotions is not None and Attribute.EMOTIONS in attributes
            else None,
            gaze=eyes.gaze(seen.face.pose.yaw)
            if eyes and Attribute.EYE_DIRECTION in attributes
            else None,
            answers={name: answers[name] for name in ANSWERS if name in attributes},
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """A face, its frame in the image, the chip that it shows, and the image's size."""

    face: Face
    frame: Frame
    chip: Pixels
    size: Floats

    def landmarks(self, mesh: Floats, eyes: Eyes) -> list[list[float]]:
        """Return the thirty landmarks as ratios of the image."""
        points = thirty(self.frame.to_picture(mesh[:, :2], CHIP), eyes.contours, eyes.pupils)
        places: list[list[float]] = (
            np.stack([points.real, points.imag], axis=1) / self.size
        ).tolist()
        return places


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """A face's small chip, and the results of the networks on it; None if they were not run."""

    chip: Pixels
    ages: Floats | None
    genders: Floats | None
    emotions: Floats | None
    features: tuple[Floats, Floats] | None


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
