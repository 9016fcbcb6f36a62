"""Matching of the faces of stored and live video against a collection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Final

from facedex.api.face_details import face_numbers
from facedex.store.database import Database
from facedex.store.jobs import Gallery
from facedex.store.search import search
from facedex.store.timelines import MAX_PERSON_MATCHES, SeenTrack, SimilarFace
from facedex.workflows.current_collection import find_same

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from facedex.media.tracking import Probe, Track
    from facedex.media.watching import Seen
    from facedex.vision.packs import Pack

# Maximum number of probes in a statement, so that a search of a large gallery does not time out.
_BATCH: Final = 8

# Seconds after which a face still in view is searched for again, as the gallery may have changed.
_MAX_AGE: Final = 10.0


class Matcher:
    """Finds the faces of a collection that probes resemble.

    Args:
        database: where the collection is.
        gallery: the collection, as it was when the work began, and the threshold.
        pack: makes the probes.
        meanwhile: text that follows "The collection … was deleted" in the error's message.
    """

    def __init__(
        self, database: Database, gallery: Gallery, pack: Pack, meanwhile: str = ""
    ) -> None:
        self._database, self._gallery, self._pack = database, gallery, pack
        self._meanwhile = meanwhile
        self._min_score = pack.calibration.cosine(gallery.threshold)

    def match(self, probes: Sequence[NDArray[np.float32]]) -> list[list[SimilarFace]]:
        """Return the matches of each probe, best first.

        The collection is looked up even if there are no probes.

        Args:
            probes: (d,) unit vectors.

        Raises:
            CollectionNotFound: if the collection was deleted.
            ModelMismatch: if its vectors come from another model by now.
            DatabaseUnavailable: if the database does not answer.
        """
        found: list[list[SimilarFace]] = []
        for first in range(0, max(1, len(probes)), _BATCH):
            found += self._match_batch(probes[first : first + _BATCH])
        return found

    def _match_batch(self, probes: Sequence[NDArray[np.float32]]) -> list[list[SimilarFace]]:
        gallery = self._gallery
        with self._database.reading() as connection:
            collection = find_same(
                connection,
                gallery.collection_id,
                gallery.collection_key,
                self._pack.model_version,
                self._meanwhile,
            )
            found = search(
                connection, collection, probes, limit=MAX_PERSON_MATCHES, min_score=self._min_score
            )
        similarities = [
            self._pack.calibration.similarities([match.score for match in matches]).tolist()
            for matches in found
        ]
        return [
            [
                SimilarFace(match.face, similarity)
                for match, similarity in zip(matches, each, strict=True)
            ]
            for matches, each in zip(found, similarities, strict=True)
        ]


def match_tracks(tracks: Sequence[Track], matcher: Matcher | None) -> list[SeenTrack]:
    """Return the tracks of a segment as they are stored, with their matches.

    A track without a view that is good enough to be indexed is not searched for.

    Args:
        tracks: the tracks of the segment.
        matcher: the matcher; None for a job that searches no collection.

    Raises:
        CollectionNotFound: if the collection was deleted.
        ModelMismatch: if its vectors come from another model by now.
        DatabaseUnavailable: if the database does not answer.
    """
    searched = [track for track in tracks if track.passable]
    matches: dict[int, list[SimilarFace]] = {}
    if matcher:
        found = matcher.match([track.vector for track in searched])
        matches = {id(track): each for track, each in zip(searched, found, strict=True)}
    return [
        SeenTrack(
            [sighting.timestamp for sighting in track.sightings],
            [face_numbers(sighting.face) for sighting in track.sightings],
            track.vector.tobytes(),
            track.views,
            track.clear,
            matches.get(id(track), []),
        )
        for track in tracks
    ]


@dataclass(frozen=True, slots=True)
class _Result:
    version: int  # of the probe
    at: float  # of the monotonic clock
    matches: list[SimilarFace]


class LiveMatcher:
    """Matches the faces in view of a live stream, and caches the matches.

    A face is searched for when it appears, when a better view of it is available, and every few
    seconds.
    """

    def __init__(self, matcher: Matcher) -> None:
        self._matcher = matcher
        self._known: dict[int, _Result] = {}

    def match(self, faces: Sequence[Seen]) -> list[list[SimilarFace]]:
        """Return the matches of each face of the next frame, best first.

        Raises:
            CollectionNotFound: if the collection was deleted.
            ModelMismatch: if its vectors come from another model by now.
            DatabaseUnavailable: if the database does not answer.
        """
        now = monotonic()
        due = [
            (seen.track, seen.probe)
            for seen in faces
            if seen.probe and self._is_due(seen.track, seen.probe, now)
        ]
        found = self._matcher.match([probe.vector for _, probe in due]) if due else []
        for (track, probe), matches in zip(due, found, strict=True):
            self._known[track] = _Result(probe.version, now, matches)
        in_view = {seen.track for seen in faces}
        # A face that is missed in one frame keeps its track number and needs no new search.
        self._known = {
            track: result
            for track, result in self._known.items()
            if track in in_view or now - result.at < _MAX_AGE
        }
        return [
            self._known[seen.track].matches if seen.track in self._known else [] for seen in faces
        ]

    def _is_due(self, track: int, probe: Probe, now: float) -> bool:
        known = self._known.get(track)
        return known is None or probe.version != known.version or now - known.at > _MAX_AGE
