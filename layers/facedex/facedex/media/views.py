"""Selection of the views of a face to embed: good ones, spread over its track."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facedex.observability import metrics
from facedex.observability.recording import timed
from facedex.vision import screening
from facedex.vision.embedding import Chips
from facedex.vision.faces import Face
from facedex.vision.images import Image
from facedex.vision.packs import Pack

Floats = NDArray[np.float32]

MOST: Final = 6  # views to keep of a track, one for each interval of it
# Initial length of an interval in ms, doubled whenever a track has more than MOST intervals. It is
# short, so that the first vector of a face soon has several views: a single one may be atypical.
STRETCH: Final = 200
LARGE: Final = 80  # pixels of a face's side above which more pixels add little
BETTER: Final = 1.1  # minimum ratio of scores for replacing a view

WORSE: Final = 100.0  # divisor of the score for each of the two bars below that a view fails

# The bar that a clear view passes. To the recogniser, all faces in the dark look alike, and so do
# all profiles.
BAR: Final = screening.Bar(confidence=50, brightness=15, sharpness=6, turn=65, side=24)

# The bar that a passable view passes, the same as for a face to be indexed. Views
# of a real film between the two bars were compared at a threshold of 80: with 1,465 good photos of
# other people, they had as few false matches as clear views (5 in 10,000); among each other, 1,000
# in 10,000, and views below both bars 9,600.
LEAST: Final = screening.BARS["AUTO"]


@dataclass(slots=True, eq=False)
class View:
    """A face, cropped for the embedder.

    Attributes:
        sighting: index of its sighting in the track.
        clear: whether it identifies the person.
        passable: whether a gallery may be searched with it, if there is no clear view.
        chips: the face, as cropped by the pack's embedder.
        vector: (d,) unit; None until it is first needed.
    """

    sighting: int
    timestamp: int
    score: float
    clear: bool
    passable: bool
    chips: Chips
    vector: Floats | None = None


class Views:
    """The best view of each interval of a track, at most ``MOST`` of them.

    Attributes:
        version: number of views kept so far that improve a search.
    """

    def __init__(self) -> None:
        self.version = 0
        self._stretch = STRETCH
        self._best: dict[int, View] = {}

    def in_order(self) -> list[View]:
        """Return the views in the order of time."""
        return sorted(self._best.values(), key=lambda view: view.timestamp)

    def offer(self, sighting: int, timestamp: int, face: Face, image: Image, pack: Pack) -> None:
        """Keep this view of the face if it is clearly better than its interval's best so far."""
        quality = score(face)
        best = self._best.get(timestamp // self._stretch)
        if best is not None and quality < BETTER * best.score:
            return
        chips = cut_out(pack, image, face)
        view = View(sighting, timestamp, quality, is_clear(face), is_passable(face), chips)
        if view.clear or (view.passable and not any(each.clear for each in self._best.values())):
            self.version += 1
        self._best[timestamp // self._stretch] = view
        while len(self._best) > MOST:
            self._stretch *= 2
            views, self._best = list(self._best.values()), {}
            for view in views:
                place = view.timestamp // self._stretch
                if place not in self._best or self._best[place].score < view.score:
                    self._best[place] = view


def score(face: Face) -> float:
    """Return the score of a view, which rises with sharpness, size, frontality and confidence."""
    frontal = math.cos(math.radians(face.pose.yaw)) * math.cos(math.radians(face.pose.pitch))
    large = min(1.0, min(face.size) / LARGE)
    worth = max(0.01, frontal) ** 2 * large * face.confidence * (10 + face.quality.sharpness)
    missed = (not is_clear(face)) + (not is_passable(face))
    return worth / WORSE**missed


def is_clear(face: Face) -> bool:
    """Return whether a face's vector identifies the person."""
    return not screening.shortcomings(face, BAR)


def is_passable(face: Face) -> bool:
    """Return whether a gallery may be searched with a face's vector, without a clear view."""
    return not screening.shortcomings(face, LEAST)


def best_kind(views: Sequence[View]) -> list[View]:
    """Return the clear views; if there are none, the passable ones; otherwise all."""
    return (
        [view for view in views if view.clear]
        or [view for view in views if view.passable]
        or list(views)
    )


def cut_out(pack: Pack, image: Image, face: Face) -> Chips:
    """Return a face, cropped for the pack's embedder."""
    return pack.embedder.cut(image.picture, (face.landmarks * image.extent)[None])


def embed(pack: Pack, views: list[View]) -> Floats:
    """Return the views' unit vectors (n, d)."""
    if not views:
        return np.empty((0, pack.dimension), dtype=np.float32)
    networks = zip(*(view.chips for view in views), strict=True)
    with timed(metrics.STAGE_DURATION, "embedding"):
        return pack.embedder.embed(tuple(np.concatenate(faces) for faces in networks))


def embed_new(pack: Pack, tracks: Iterable[Views]) -> None:
    """Embed, in one batch, all views to search with that have no vector yet."""
    kept = (view for each in tracks for view in best_kind(each.in_order()))
    new = [view for view in kept if view.passable and view.vector is None]
    for view, vector in zip(new, embed(pack, new), strict=True):
        view.vector = vector
