"""Results of a video job: tracks while it runs, then persons and their sightings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import orjson
from psycopg.types.json import Jsonb

from facedex.store.database import Connection
from facedex.store.faces import Box, StoredFace

MAX_PERSON_MATCHES: Final = 10  # maximum number of matches listed for one person


@dataclass(frozen=True, slots=True)
class SimilarFace:
    """A face of the collection and its similarity to a person, 0..100."""

    face: StoredFace
    similarity: float


@dataclass(frozen=True, slots=True)
class SeenTrack:
    """One face followed through a segment.

    Attributes:
        timestamps: milliseconds of the film, ascending.
        faces: the numbers that describe the face at each timestamp, equally many for each.
        vector: float32 numbers, as bytes.
        views: number of views whose mean is the vector.
        clear: whether the vector identifies the person.
        matches: similar faces of the collection, the most similar first.
    """

    timestamps: Sequence[int]
    faces: Sequence[Sequence[float]]
    vector: bytes
    views: int
    clear: bool
    matches: Sequence[SimilarFace]


@dataclass(frozen=True, slots=True)
class TrackEnds:
    """The properties of a track that determine its person: its start, its end and its vector.

    Attributes:
        task, track: the track's key in the job.
        start, end: milliseconds of the film.
        first, last: the numbers that describe its first and last face.
        vector, views, clear: as in :class:`SeenTrack`.
    """

    task: int
    track: int
    start: int
    end: int
    first: Sequence[float]
    last: Sequence[float]
    vector: bytes
    views: int
    clear: bool


@dataclass(frozen=True, slots=True)
class Sighting:
    """A person at one time.

    Attributes:
        number: position in the order of time, from 1.
        moment: milliseconds of the film.
        face: the numbers that describe the face.
    """

    number: int
    person: int
    moment: int
    face: Sequence[float]


def add_tracks(connection: Connection, job_id: str, task: int, tracks: Iterable[SeenTrack]) -> None:
    """Store the tracks of one segment until the job ends."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO video_tracks (job_id, task, track, timestamps, faces, vector, views,"
            " clear, matches) VALUES (%s, %s, %s, %s::bigint[], %s::real[], %s, %s, %s, %s)",
            [
                (
                    job_id,
                    task,
                    number,
                    list(track.timestamps),
                    [list(face) for face in track.faces],
                    track.vector,
                    track.views,
                    track.clear,
                    Jsonb([_pack(match) for match in track.matches], dumps=orjson.dumps),
                )
                for number, track in enumerate(tracks)
            ],
        )


def track_ends(connection: Connection, job_id: str) -> list[TrackEnds]:
    """Return the tracks of a job, by segment and then in the order of appearance."""
    rows = connection.execute(
        "SELECT task, track, timestamps[1] AS starts,"
        " timestamps[cardinality(timestamps)] AS ends, faces[1:1] AS first,"
        " faces[cardinality(timestamps):cardinality(timestamps)] AS last, vector, views, clear"
        " FROM video_tracks WHERE job_id = %s ORDER BY task, track",
        (job_id,),
    )
    return [
        TrackEnds(
            row.task,
            row.track,
            row.starts,
            row.ends,
            row.first[0],
            row.last[0],
            bytes(row.vector),
            row.views,
            row.clear,
        )
        for row in rows
    ]


def write(connection: Connection, job_id: str, persons: Sequence[Sequence[TrackEnds]]) -> None:
    """Store a job's results, made from its tracks: the persons and their sightings.

    Args:
        persons: for each person, its tracks.
    """
    # A film of several hours may have half a million sightings.
    connection.execute("SET LOCAL statement_timeout = 0")
    keys = [
        (track.task, track.track, person)
        for person, tracks in enumerate(persons)
        for track in tracks
    ]
    values = {
        "job": job_id,
        "tasks": [task for task, _, _ in keys],
        "tracks": [track for _, track, _ in keys],
        "persons": [person for _, _, person in keys],
        "most": MAX_PERSON_MATCHES,
    }
    connection.execute(_PERSONS, values)
    connection.execute(_SIGHTINGS, values)


_TRACKS_BY_PERSON: Final = """
unnest(%(tasks)s::integer[], %(tracks)s::integer[], %(persons)s::integer[])
    AS who (task, track, person) JOIN video_tracks USING (task, track)
"""

# A person's matches are those of all its tracks, each face with its highest similarity.
_PERSONS: Final = f"""
INSERT INTO video_persons (job_id, person, matches)
SELECT %(job)s, person, coalesce(
    jsonb_agg(match ORDER BY place) FILTER (WHERE place <= %(most)s AND match IS NOT NULL), '[]'
)
FROM (
    SELECT person, match, row_number() OVER (
        PARTITION BY person
        ORDER BY (match->>'similarity')::float8 DESC NULLS LAST, match->>'face_id'
    ) AS place
    FROM (
        SELECT DISTINCT ON (person, match->>'face_id') person, match
        FROM {_TRACKS_BY_PERSON} LEFT JOIN LATERAL jsonb_array_elements(matches) AS match ON true
        WHERE job_id = %(job)s
        ORDER BY person, match->>'face_id', (match->>'similarity')::float8 DESC
    ) AS best
) AS ranked
GROUP BY person
"""

_SIGHTINGS: Final = f"""
INSERT INTO video_sightings (job_id, sighting, person, moment, face)
SELECT %(job)s, row_number() OVER (ORDER BY timestamps[place], person, task, track), person,
    timestamps[place],
    ARRAY(SELECT unnest(faces[place:place]))
FROM {_TRACKS_BY_PERSON} CROSS JOIN LATERAL generate_subscripts(timestamps, 1) AS place
WHERE job_id = %(job)s
"""


def by_time(connection: Connection, job_id: str, *, after: int, limit: int) -> list[Sighting]:
    """Return at most ``limit`` sightings in the order of time, after number ``after``."""
    rows = connection.execute(
        "SELECT sighting, person, moment, face FROM video_sightings"
        " WHERE job_id = %s AND sighting > %s ORDER BY sighting LIMIT %s",
        (job_id, after, limit),
    )
    return [Sighting(row.sighting, row.person, row.moment, row.face) for row in rows]


def by_person(
    connection: Connection, job_id: str, *, after: tuple[int, int], limit: int
) -> list[Sighting]:
    """Return at most ``limit`` sightings, ordered by person and then by time.

    Args:
        after: person and number of the last sighting of the previous page.
    """
    rows = connection.execute(
        "SELECT sighting, person, moment, face FROM video_sightings"
        " WHERE job_id = %s AND (person, sighting) > (%s, %s) ORDER BY person, sighting LIMIT %s",
        (job_id, *after, limit),
    )
    return [Sighting(row.sighting, row.person, row.moment, row.face) for row in rows]


def matches(
    connection: Connection, job_id: str, persons: Iterable[int]
) -> Mapping[int, list[SimilarFace]]:
    """Return the faces of the collection that each person resembles, the most similar first."""
    rows = connection.execute(
        "SELECT person, matches FROM video_persons WHERE job_id = %s AND person = ANY(%s)",
        (job_id, sorted(set(persons))),
    )
    return {row.person: [_unpack(match) for match in row.matches] for row in rows}


def _pack(match: SimilarFace) -> dict[str, Any]:
    face = match.face
    return {
        "face_id": face.face_id,
        "image_id": face.image_id,
        "external_image_id": face.external_image_id,
        "box": face.box,
        "confidence": face.confidence,
        "user_id": face.user_id,
        "similarity": match.similarity,
    }


def _unpack(match: Mapping[str, Any]) -> SimilarFace:
    left, top, width, height = match["box"]
    box: Box = (left, top, width, height)
    face = StoredFace(
        UUID(match["face_id"]),
        UUID(match["image_id"]),
        match["external_image_id"],
        box,
        match["confidence"],
        match["user_id"],
    )
    return SimilarFace(face, match["similarity"])
