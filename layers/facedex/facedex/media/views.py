"""The views of a face that are worth embedding: good ones, spread over its track."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facedex.vision import alignment, screening
from facedex.vision.faces import Face
from facedex.vision.images import Image
from facedex.vision.packs import Pack

Floats = NDArray[np.float32]

MOST: Final = 6  # views of a track that are kept, each of another stretch of it
STRETCH: Final = 1000  # ms; doubled whenever a track has more stretches than that
LARGE: Final = 80  # pixels of a face's side above which more pixels add little
BETTER: Final = 1.1  # times the score for which a new chip is cut

UNCLEAR: Final = 100  # times less is a view worth that does not clear the bar

# What a view must be for its vector to say who it is. The recogniser takes all faces in the dark,
# and all profiles, for much the same person.
BAR: Final = screening.Bar(confidence=50, brightness=15, sharpness=6, turn=65, side=24)


@dataclass(slots=True, eq=False)
class View:
    """A face cut out as the embedder wants it.

    Attributes:
        sighting: its number in the track.
        clear: it shows who it is.
        chips: (embedder's views, s, s, 3) RGB.
        vector: (d,) unit, once it has been asked for.
    """

    sighting: int
    timestamp: int
    score: float
    clear: bool
    chips: NDArray[np.uint8]
    vector: Floats | None = None


class Views:
    """The best view of each stretch of a track; of a bounded number, whatever its length.

    Attributes:
        version: how many views have been kept so far.
    """

    def __init__(self) -> None:
        self.version = 0
        self._stretch = STRETCH
        self._best: dict[int, View] = {}

    def in_order(self) -> list[View]:
        """Return the views in the order of time."""
        return sorted(self._best.values(), key=lambda view: view.timestamp)

    def offer(self, sighting: int, timestamp: int, face: Face, image: Image, pack: Pack) -> None:
        """Keep this view of the face if it is clearly better than the stretch's best so far."""
        quality = score(face)
        best = self._best.get(timestamp // self._stretch)
        if best is not None and quality < BETTER * best.score:
            return
        chips = cut_out(pack, image, face)
        self.version += 1
        self._best[timestamp // self._stretch] = View(
            sighting, timestamp, quality, is_clear(face), chips
        )
        while len(self._best) > MOST:
            self._stretch *= 2
            views, self._best = list(self._best.values()), {}
            for view in views:
                place = view.timestamp // self._stretch
                if place not in self._best or self._best[place].score < view.score:
                    self._best[place] = view


def score(face: Face) -> float:
    """Return how much a view is worth: sharp, large, facing the camera and surely a face."""
    frontal = math.cos(math.radians(face.pose.yaw)) * math.cos(math.radians(face.pose.pitch))
    large = min(1.0, min(face.size) / LARGE)
    worth = max(0.01, frontal) ** 2 * large * face.confidence * (10 + face.quality.sharpness)
    return worth if is_clear(face) else worth / UNCLEAR


def is_clear(face: Face) -> bool:
    """Whether a face's vector says who it is."""
    return not screening.shortcomings(face, BAR)


def cut_out(pack: Pack, image: Image, face: Face) -> NDArray[np.uint8]:
    """Return a face's chips (embedder's views, s, s, 3) RGB."""
    rows, columns = image.pixels.shape[:2]
    landmarks = (face.landmarks * np.array([columns, rows], dtype=np.float32))[None]
    views = pack.embedder.views
    return alignment.cut(image.pixels, landmarks, pack.template, pack.chip_size, views)[:, 0]


def embed(pack: Pack, views: list[View]) -> Floats:
    """Return the views' unit vectors (n, d)."""
    if not views:
        return np.empty((0, pack.dimension), dtype=np.float32)
    chips = np.stack([view.chips for view in views], axis=1)  # (embedder's views, n, s, s, 3)
    return pack.embedder.embed(chips.reshape(-1, *chips.shape[2:]))


def embed_new(pack: Pack, tracks: Iterable[Views]) -> None:
    """Give every clear view that has none its vector, all of them in one batch."""
    kept = (view for each in tracks for view in each.in_order())
    new = [view for view in kept if view.clear and view.vector is None]
    for view, vector in zip(new, embed(pack, new), strict=True):
        view.vector = vector
