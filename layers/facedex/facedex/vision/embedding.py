"""Conversion of faces to unit vectors, by one network or several."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from facedex.vision import alignment, quality
from facedex.vision.alignment import UPRIGHT, View
from facedex.vision.lifting import lift
from facedex.vision.sessions import Network
from facedex.vision.stretching import Stretch

if TYPE_CHECKING:
    from PIL.Image import Image

Floats = NDArray[np.float32]
# Faces cropped for an embedder: for each of its networks (n, views, s, s, 3) RGB.
Chips = tuple[NDArray[np.uint8], ...]


class Embedder(Protocol):
    """Convert faces to unit vectors whose inner product measures their similarity."""

    @property
    def networks(self) -> Sequence[Network]:
        """The networks that the embedder runs."""
        ...

    def cut(self, picture: Image, landmarks: Floats) -> Chips:
        """Return chips of the faces with landmarks (n, 5, 2) in an RGB picture."""
        ...

    def embed(self, chips: Chips) -> Floats:
        """Return the unit vectors (n, dimension) of the faces in the chips."""
        ...


@dataclass(frozen=True)
class Kind:
    """The input and output format of a kind of network."""

    views: tuple[View, ...]  # the default, if the manifest has none
    chips: int  # per batch; larger batches are not faster and take more memory
    to_input: Callable[[NDArray[np.uint8]], NDArray[Any]]  # of chips (n, s, s, 3) RGB
    to_unit: Callable[[Floats], Floats]  # of the views' mean outputs (n, values)


def _as_bytes(chips: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return chips


def _planes(chips: NDArray[np.uint8]) -> Floats:
    return chips.transpose(0, 3, 1, 2).astype(np.float32)


def _balanced_planes(chips: NDArray[np.uint8]) -> Floats:
    return (_planes(chips) - np.float32(127.5)) / np.float32(127.5)


def normalise(vectors: Floats) -> Floats:
    """Scale vectors (n, d) to unit length."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units: Floats = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
    return units


# The views of dlib's ResNet: slightly larger than dlib's own, one rotated in one direction, the
# other in the opposite direction and mirrored. On every measured set, the mean of their vectors is
# more accurate than that of a chip and its mirror image. An image and its mirror image have the
# same mean.
TURNED = (View(turn=4.0, zoom=1.1), View(turn=-4.0, zoom=1.1, mirrored=True))

KINDS: Mapping[str, Kind] = {
    # dlib's face recognition ResNet (29 convolutions, 128 values), converted to ONNX.
    "dlib-resnet": Kind(TURNED, 16, _as_bytes, lift),
    # SFace (Zhong et al., IEEE TIP 30:2587, 2021; 128 values) of the OpenCV Zoo, converted to ONNX
    # with bytes as its input.
    "sface-bytes": Kind((UPRIGHT,), 8, _as_bytes, normalise),
    # The same network as published: RGB planes 0..255, which the network scales.
    "sface": Kind((UPRIGHT,), 8, _planes, normalise),
    # ArcFace (Deng et al., arXiv:1801.07698), as InsightFace runs it: RGB planes -1..1. Only the
    # chip itself is embedded; whether adding its mirror image helps has not been measured.
    "arcface": Kind((UPRIGHT,), 8, _balanced_planes, normalise),
}


class SingleEmbedder:
    """One network, whose outputs for one or more views of each face are averaged."""

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
        """Create an embedder from the values of a manifest.

        Args:
            network: the network.
            kind: format of its input and output.
            dimension: length of its vectors.
            template: (5, 2) x y of the landmarks in the chip.
            chip_size: side of the chip in pixels.
            views: variations of the chip; by default those of the kind.
            stretch: correction of the vectors by the detail of the last view, which shows the
                face at the template's own size; None for no correction.
        """
        self.networks = (network,)
        self.views = tuple(views) or kind.views
        self._kind = kind
        self._dimension = dimension
        self._template = template
        self._chip_size = chip_size
        self._stretch = stretch

    def cut(self, picture: Image, landmarks: Floats) -> Chips:
        """Return chips of the faces with landmarks (n, 5, 2) in an RGB picture."""
        chips = alignment.cut(picture, landmarks, self._template, self._chip_size, self.views)
        return (chips,)

    def embed(self, chips: Chips) -> Floats:
        """Return the unit vectors (n, dimension) of the faces in the chips."""
        (faces,) = chips
        (network,) = self.networks
        if not len(faces):
            return np.empty((0, self._dimension), dtype=np.float32)
        flat = faces.reshape(-1, *faces.shape[2:])
        # A batch axis of fixed length has length 1.
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
    """Several networks whose weighted unit vectors are concatenated.

    The result is a unit vector; the inner product of two such vectors is the weighted mean of the
    networks' own inner products.
    """

    def __init__(self, parts: Sequence[tuple[float, Embedder]]) -> None:
        """Create an embedder from several others.

        Args:
            parts: embedders, each with its share of the inner product.

        Raises:
            ValueError: if the shares are not positive or do not add up to 1.
        """
        shares = np.array([share for share, _ in parts])
        if not (len(parts) and np.all(shares > 0) and abs(shares.sum() - 1) < 1e-6):
            raise ValueError(f"The shares {shares.tolist()} must be above 0 and add up to 1.")
        self._factors: Floats = np.sqrt(shares).astype(np.float32)
        self._parts = [part for _, part in parts]

    @property
    def networks(self) -> Sequence[Network]:
        """The networks that the embedder runs."""
        return [network for part in self._parts for network in part.networks]

    def cut(self, picture: Image, landmarks: Floats) -> Chips:
        """Return chips of the faces with landmarks (n, 5, 2) in an RGB picture."""
        return tuple(chips for part in self._parts for chips in part.cut(picture, landmarks))

    def embed(self, chips: Chips) -> Floats:
        """Return the unit vectors (n, dimension) of the faces in the chips."""
        remaining = list(chips)
        vectors = []
        for factor, part in zip(self._factors, self._parts, strict=True):
            own, remaining = remaining[: len(part.networks)], remaining[len(part.networks) :]
            vectors.append(factor * part.embed(tuple(own)))
        return np.concatenate(vectors, axis=1)
