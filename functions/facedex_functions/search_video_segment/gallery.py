"""Whom of the gallery the people of a segment resemble."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from facedex.api.documents import face_numbers
from facedex.media.tracking import Track
from facedex.store.database import Database
from facedex.store.jobs import Job
from facedex.store.search import Match, search
from facedex.store.timelines import MOST_MATCHES, SeenTrack, SimilarFace
from facedex.vision.calibration import Calibration
from facedex.workflows.current_collection import find_same

# Tracks searched for in one statement, so that no large gallery runs into its timeout.
_BATCH: Final = 8


def search_tracks(
    database: Database, job: Job, tracks: Sequence[Track], calibration: Calibration
) -> list[SeenTrack]:
    """The tracks as they are stored, with what the job's collection has for each.

    A track that is not passable (too dark, blurred or averted to be indexed) is not searched for.

    Raises:
        CollectionNotFound: the collection was deleted since the job was started.
        ModelMismatch: its vectors are another model's by now.
    """
    matches = _search(database, job, [track for track in tracks if track.passable], calibration)
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


def _search(
    database: Database, job: Job, tracks: Sequence[Track], calibration: Calibration
) -> dict[int, list[SimilarFace]]:
    gallery = job.order.gallery
    if gallery is None:
        return {}
    matches: dict[int, list[SimilarFace]] = {}
    # Once without a track too, so that a job whose collection is gone does not succeed.
    for first in range(0, len(tracks) + 1, _BATCH):
        batch = tracks[first : first + _BATCH]
        with database.transaction() as connection:
            collection = find_same(
                connection,
                gallery.collection_id,
                gallery.collection_key,
                job.order.model_version,
                " while the job ran",
            )
            found = search(
                connection,
                collection,
                [track.vector for track in batch],
                limit=MOST_MATCHES,
                min_score=calibration.cosine(gallery.threshold),
            )
        matches |= {
            id(track): _similar(each, calibration) for track, each in zip(batch, found, strict=True)
        }
    return matches


def _similar(matches: Sequence[Match], calibration: Calibration) -> list[SimilarFace]:
    similarities = calibration.similarities([match.score for match in matches]).tolist()
    return [
        SimilarFace(match.face, similarity)
        for match, similarity in zip(matches, similarities, strict=True)
    ]
