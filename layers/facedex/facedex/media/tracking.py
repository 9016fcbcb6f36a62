"""Tracking of faces from frame to frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facedex.media import assignment, views
from facedex.media.scenes import Miniature
from facedex.media.views import Views
from facedex.vision.faces import Face
from facedex.vision.images import Image
from facedex.vision.packs import Pack

Floats = NDArray[np.float32]

GAP: Final = 1000  # ms without a sighting after which a track ends
FADING: Final = 0.5  # weight of the previous estimate in the estimate of a face's motion
# Minimum confidence, in percent, of a face with at most BRIEF sightings: false detections do not
# last.
SURE: Final = 80.0
BRIEF: Final = 2
DIFFERENT: Final = 1.0  # similarity below which two views are not of one person


@dataclass(frozen=True, slots=True)
class Sighting:
    """A face in one frame; ``timestamp`` in ms of the film."""

    timestamp: int
    face: Face


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One face, followed through one shot.

    Attributes:
        sightings: the sightings in the order of time.
        vector: (d,) unit; the normalised mean of its best views.
        views: number of those views.
        clear: whether those views identify the person; if not, the face is dark, blurred or
            averted, and its vector cannot show which tracks belong to one person.
        passable: whether a gallery may be searched with the vector.
        best: index of the best sighting.
    """

    sightings: tuple[Sighting, ...]
    vector: Floats
    views: int
    clear: bool
    passable: bool
    best: int


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """The vector of a track that has not ended yet.

    Attributes:
        version: number that increases with each new or clearly better view.
        vector: (d,) unit; the normalised mean of its clear views or, as long as there are none, of
            its passable ones.
    """

    version: int
    vector: Floats


@dataclass(slots=True, eq=False)
class _Live:
    """A track that may continue; ``sightings`` and ``jumps`` stay empty in an endless tracker."""

    number: int
    size: float  # pixels
    landmarks: Floats  # (5, 2) pixels
    sightings: list[Sighting] = field(default_factory=list)
    motion: Floats = field(default_factory=lambda: np.zeros(2, dtype=np.float32))  # pixels per ms
    views: Views = field(default_factory=Views)
    jumps: list[float] = field(default_factory=list)  # cost of each sighting
    count: int = 0  # of sightings
    seen: int = 0  # ms, time of the last sighting
    surest: float = 0.0  # percent, highest confidence

    def expected(self, timestamp: int) -> Floats:
        """Return the landmarks at that time if the face continues to move as before."""
        return self.landmarks + self.motion * np.float32(timestamp - self.seen)

    def add(self, timestamp: int, face: Face, landmarks: Floats, size: float) -> None:
        if self.count:
            step = (landmarks - self.landmarks).mean(axis=0) / max(1, timestamp - self.seen)
            self.motion = FADING * self.motion + (1 - FADING) * step
        self.landmarks, self.size = landmarks, size
        self.count += 1
        self.seen, self.surest = timestamp, max(self.surest, face.confidence)


class Tracker:
    """Tracker of faces through frames in the order of time, for files and streams.

    It keeps a few chips of each face and, for :meth:`pop_ended`, all sightings until the track
    ends.

    Args:
        pack: detects and embeds the faces.
        endless: keep no sightings, for streams, in which a face may stay for months.
            :meth:`pop_ended` then returns nothing, and memory depends only on the number of faces
            in view.
    """

    def __init__(self, pack: Pack, *, endless: bool = False) -> None:
        self._pack = pack
        self._endless = endless
        self._live: list[_Live] = []
        self._ended: list[_Live] = []
        self._miniature: Miniature | None = None
        self._count = 0
        # Without a calibration it is unknown which vectors differ, so only positions are compared.
        self._different = pack.measured.cosine(DIFFERENT) if pack.measured else -1.0

    def see(self, timestamp: int, image: Image, faces: Sequence[Face]) -> list[int]:
        """Add the faces of the next frame; return the track number of each face."""
        miniature = Miniature(image.pixels)
        if self._miniature is not None and miniature.is_other_shot(self._miniature):
            self.cut()
        self._miniature = miniature
        self._end([track for track in self._live if timestamp - track.seen > GAP])
        places, sizes = _measure(image, faces)
        numbers = [-1] * len(faces)
        costs = self._costs(timestamp, image, faces, places, sizes)
        for row, column in assignment.assign(costs):
            self._add(
                self._live[row], timestamp, image, faces[column], places[column], sizes[column],
                float(costs[row, column]),
            )  # fmt: skip
            numbers[column] = self._live[row].number
        for column, face in enumerate(faces):
            if numbers[column] < 0:
                track = _Live(self._count, float(sizes[column]), places[column])
                self._count += 1
                self._live.append(track)
                self._add(track, timestamp, image, face, places[column], sizes[column], 0.0)
                numbers[column] = track.number
        return numbers

    def cut(self) -> None:
        """End all tracks, because the next frame belongs to another shot."""
        self._end(list(self._live))

    def pop_ended(self) -> list[Track]:
        """Return the tracks that have ended since the last call, in order of appearance."""
        ended, self._ended = sorted(self._ended, key=lambda track: track.number), []
        return [track for live in ended for track in self._finish(live)]

    def probes(self, numbers: Sequence[int]) -> list[Probe | None]:
        """Return the probe of each track, by its number; None if no view is good enough."""
        live = {track.number: track for track in self._live}
        chosen = [live[number].views for number in numbers]
        views.embed_new(self._pack, chosen)
        return [self._probe(each) for each in chosen]

    def _probe(self, kept: Views) -> Probe | None:
        vectors = [view.vector for view in views.best_kind(kept.in_order()) if view.passable]
        known = [vector for vector in vectors if vector is not None]
        if not known:
            return None
        # If another person has taken the position of a face unnoticed, ignore the earlier views.
        changes = [
            number
            for number, (before, after) in enumerate(pairwise(known), 1)
            if float(before @ after) < self._different
        ]
        mean = np.mean(known[max(changes, default=0) :], axis=0)
        return Probe(kept.version, (mean / np.linalg.norm(mean)).astype(np.float32))

    def _end(self, tracks: list[_Live]) -> None:
        self._live = [track for track in self._live if track not in tracks]
        if not self._endless:
            self._ended += [track for track in tracks if _is_credible(track)]

    def _add(
        self,
        track: _Live,
        timestamp: int,
        image: Image,
        face: Face,
        landmarks: Floats,
        size: float,
        jump: float,
    ) -> None:
        track.add(timestamp, face, landmarks, float(size))
        if not self._endless:
            track.sightings.append(Sighting(timestamp, face))
            track.jumps.append(jump)
        track.views.offer(track.count - 1, timestamp, face, image, self._pack)

    def _costs(
        self, timestamp: int, image: Image, faces: Sequence[Face], places: Floats, sizes: Floats
    ) -> Floats:
        """Return the costs (tracks, faces); compare vectors where positions leave doubt."""
        if not self._live or not faces:
            return np.empty((0, 0), dtype=np.float32)
        expected = np.stack([track.expected(timestamp) for track in self._live])
        before = np.array([track.size for track in self._live], dtype=np.float32)
        costs = assignment.distances(expected, before, places, sizes)
        doubt = assignment.doubtful(costs)
        if self._different <= -1 or not doubt.any():
            return costs
        known = {
            row: self._clear_vector(self._live[row]) for row in np.flatnonzero(doubt.any(axis=1))
        }
        columns = [
            c for c in np.flatnonzero(doubt.any(axis=0)).tolist() if views.is_clear(faces[c])
        ]
        vectors = self._pack.embed(image, [faces[column] for column in columns])
        by_place = costs
        costs = np.where(doubt & (costs > assignment.UNSURE), assignment.FORBIDDEN, costs)
        for row, vector in known.items():
            if vector is None:
                continue
            for column, likeness in zip(columns, vectors @ vector, strict=True):
                if doubt[row, column]:
                    # 1 means as different as two people.
                    unlike = (1 - likeness) / (1 - self._different)
                    mean = (by_place[row, column] + unlike) / 2
                    costs[row, column] = mean if unlike <= 1 else assignment.FORBIDDEN
        return costs

    def _clear_vector(self, track: _Live) -> Floats | None:
        """Return the vector of a track's best view so far, if that view is clear."""
        best = max(track.views.in_order(), key=lambda view: view.score)
        if best.vector is not None:
            return best.vector if best.clear else None
        return views.embed(self._pack, [best])[0] if best.clear else None

    def _finish(self, live: _Live) -> list[Track]:
        """Return an ended track, split into several where its views show different people."""
        kept = views.best_kind(live.views.in_order())
        vectors = views.embed(self._pack, kept)
        borders = [0]
        for (before, after), likeness in zip(
            pairwise(kept),
            (vectors[:-1] * vectors[1:]).sum(axis=1),
            strict=True,
        ):
            if before.clear and likeness < self._different:
                between = live.jumps[before.sighting + 1 : after.sighting + 1]
                borders.append(before.sighting + 1 + int(np.argmax(between)))
        borders.append(len(live.sightings))
        pieces = []
        for start, end in pairwise(borders):
            mine = [place for place, view in enumerate(kept) if start <= view.sighting < end]
            if mine:
                best = max(mine, key=lambda place: kept[place].score)
                mean = vectors[mine].mean(axis=0)
                pieces.append(
                    Track(
                        sightings=tuple(live.sightings[start:end]),
                        vector=(mean / np.linalg.norm(mean)).astype(np.float32),
                        views=len(mine),
                        clear=kept[best].clear,
                        passable=kept[best].passable,
                        best=kept[best].sighting - start,
                    )
                )
        return pieces


def _is_credible(track: _Live) -> bool:
    return track.count > BRIEF or track.surest >= SURE


def _measure(image: Image, faces: Sequence[Face]) -> tuple[Floats, Floats]:
    """Return landmarks (n, 5, 2) and sizes (n,), both in pixels of the original."""
    whole = np.array([image.width, image.height], dtype=np.float32)
    places = np.array([face.landmarks for face in faces], dtype=np.float32).reshape(-1, 5, 2)
    extents = np.array([face.box[2:] for face in faces], dtype=np.float32).reshape(-1, 2)
    return places * whole, np.sqrt((extents * whole).prod(axis=1)).clip(min=1)
