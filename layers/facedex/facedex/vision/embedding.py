"""Faces in pixels to unit vectors: one network's, or those of several side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from facedex.vision import alignment, quality
from facedex.vision.alignment import UPRIGHT, View
from facedex.vision.lifting import lift
from facedex.vision.sessions import Network
from facedex.vision.stretching import Stretch

Floats = NDArray[np.float32]
# Faces cut out for an embedder: for each of its networks (n, views, s, s, 3) RGB.
Chips = tuple[NDArray[np.uint8], ...]


class Embedder(Protocol):
    """Turns faces into unit vectors whose inner product says how alike they are."""

    @property
    def networks(self) -> Sequence[Network]:
        """The networks that it runs."""
        ...

    def cut(self, pixels: NDArray[np.uint8], landmarks: Floats) -> Chips:
        """Return the faces with landmarks (n, 5, 2) cut out of pixels (rows, columns, 3) RGB."""
        ...

    def embed(self, chips: Chips) -> Floats:
        """Return the unit vectors (n, dimension) of faces that were cut out."""
        ...


@dataclass(frozen=True)
class Kind:
    """How a kind of network is given chips, and how its outputs become a vector."""

    views: tuple[View, ...]  # where the manifest names none
    chips: int  # at a time: more are no faster and take more memory
    to_input: Callable[[NDArray[np.uint8]], NDArray[Any]]  # of chips (n, s, s, 3) RGB
    to_unit: Callable[[Floats], Floats]  # of the views' mean outputs (n, values)


def _as_bytes(chips: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return chips


def _planes(chips: NDArray[np.uint8]) -> Floats:
    return chips.transpose(0, 3, 1, 2).astype(np.float32)


def _balanced_planes(chips: NDArray[np.uint8]) -> Floats:
    return (_planes(chips) - np.float32(127.5)) / np.float32(127.5)


def normalise(vectors: Floats) -> Floats:
    """Return the unit vectors (n, d) that point where the vectors do."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units: Floats = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
    return units


# The views of dlib's ResNet: a little larger than dlib shows a face, turned one way, and turned the
# other way and mirrored. The mean of two such vectors errs less, on every set measured, than that
# of a chip and its own mirror image; and a picture and its mirror image have the same one.
TURNED = (View(turn=4.0, zoom=1.1), View(turn=-4.0, zoom=1.1, mirrored=True))

KINDS: Mapping[str, Kind] = {
    # dlib's face recognition ResNet (29 convolutions, 128 values), converted to ONNX.
    "dlib-resnet": Kind(TURNED, 16, _as_bytes, lift),
    # SFace (Zhong et al., IEEE TIP 30:2587, 2021; 128 values) of the OpenCV Zoo, converted to ONNX
    # that takes bytes.
    "sface-bytes": Kind((UPRIGHT,), 8, _as_bytes, normalise),
    # The same network as published: RGB planes 0..255, which it scales itself.
    "sface": Kind((UPRIGHT,), 8, _planes, normalise),
    # ArcFace (Deng et al., arXiv:1801.07698), as InsightFace runs it: RGB planes -1..1. Only the
    # chip itself is embedded: no weights were at hand to measure whether its mirror image helps.
    "arcface": Kind((UPRIGHT,), 8, _balanced_planes, normalise),
}


class SingleEmbedder:
    """One network, shown each face in one or more views; their outputs are averaged."""

    def __init__(
        self,
        network: Network,
        kind: Kind,
        *,
        dimension: int,
        template: Floats,
        chip_size: int,
        views: Sequence[View] = (),
        stretch: Stretch | None = None,
    ) -> None:
        """Take what the manifest says of a network.

        dimension: of its vectors; template: (5, 2) x y, where the landmarks come to lie in the
        chip; chip_size: its side in pixels; views: those of its kind where there are none;
        stretch: by the detail of the last view, which shows the face at the template's own size.
        """
        self.networks = (network,)
        self.views = tuple(views) or kind.views
        self._kind = kind
        self._dimension = dimension
        self._template = template
        self._chip_size = chip_size
        self._stretch = stretch

    def cut(self, pixels: NDArray[np.uint8], landmarks: Floats) -> Chips:
        """Return the faces with landmarks (n, 5, 2) cut out of pixels (rows, columns, 3) RGB."""
        chips = alignment.cut(pixels, landmarks, self._template, self._chip_size, self.views)
        return (chips,)

    def embed(self, chips: Chips) -> Floats:
        """Return the unit vectors (n, dimension) of faces that were cut out."""
        (faces,) = chips
        (network,) = self.networks
        if not len(faces):
            return np.empty((0, self._dimension), dtype=np.float32)
        flat = faces.reshape(-1, *faces.shape[2:])
        # A batch axis that is not free is 1.
        step = 1 if isinstance(network.axes[0], int) else self._kind.chips
        outputs = [
            network.run(self._kind.to_input(flat[start : start + step]))[0]
            for start in range(0, len(flat), step)
        ]
        together: Floats = np.concatenate(outputs)
        means = together.reshape(len(faces), len(self.views), -1).mean(axis=1)
        if self._stretch is not None:
            means = self._stretch.apply(means, quality.detail(faces[:, -1]))
        return self._kind.to_unit(means)


class FusedEmbedder:
    """Several networks that see the same faces: their unit vectors, weighted, side by side.

    The inner product of two such vectors is the weighted mean of the networks' own, and the vector
    is one unit vector like any other.
    """

    def __init__(self, parts: Sequence[tuple[float, Embedder]]) -> None:
        """Take the networks, each with its share of the inner product; the shares add up to 1.

        Raises:
            ValueError: if they do not.
        """
        shares = np.array([share for share, _ in parts])
        if not (len(parts) and np.all(shares > 0) and abs(shares.sum() - 1) < 1e-6):
            raise ValueError(f"The shares {shares.tolist()} must be above 0 and add up to 1.")
        self._factors: Floats = np.sqrt(shares).astype(np.float32)
        self._parts = [part for _, part in parts]

    @property
    def networks(self) -> Sequence[Network]:
        """The networks that it runs."""
        return [network for part in self._parts for network in part.networks]

    def cut(self, pixels: NDArray[np.uint8], landmarks: Floats) -> Chips:
        """Return the faces with landmarks (n, 5, 2) cut out of pixels (rows, columns, 3) RGB."""
        return tuple(chips for part in self._parts for chips in part.cut(pixels, landmarks))

    def embed(self, chips: Chips) -> Floats:
        """Return the unit vectors (n, dimension) of faces that were cut out."""
        remaining = list(chips)
        vectors = []
        for factor, part in zip(self._factors, self._parts, strict=True):
            own, remaining = remaining[: len(part.networks)], remaining[len(part.networks) :]
            vectors.append(factor * part.embed(tuple(own)))
        return np.concatenate(vectors, axis=1)
