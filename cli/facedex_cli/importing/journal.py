"""A journal of processed photos, so that a later run does not repeat them.

IndexFaces is idempotent: repeating a photo changes nothing and only costs time. The journal may
therefore lose entries in a power cut (it is not synchronised to disk after each one), but must
never contain a photo that IndexFaces did not acknowledge.
"""

from __future__ import annotations

import json
import os
import sqlite3
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from facedex_cli.importing.import_errors import ImportStopped
from facedex_cli.importing.outcomes import Outcome, Result
from facedex_cli.importing.photos import Photo

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS collection (
    id INTEGER PRIMARY KEY,
    arn TEXT NOT NULL,
    created TEXT NOT NULL,
    UNIQUE (arn, created)
);
CREATE TABLE IF NOT EXISTS photo (
    collection INTEGER NOT NULL REFERENCES collection,
    place BLOB NOT NULL,
    request TEXT NOT NULL,
    version TEXT NOT NULL,
    result TEXT NOT NULL,
    faces INTEGER NOT NULL,
    reasons TEXT NOT NULL,
    smaller INTEGER NOT NULL,
    PRIMARY KEY (collection, place, request)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Request:
    """The parameters of IndexFaces besides the photo; with other ones, a photo is repeated.

    Attributes:
        external_image_id: the ExternalImageId of the faces.
        max_faces: maximum number of faces per photo, None for all.
        quality_filter: Rekognition's ``QualityFilter``.
    """

    external_image_id: str
    max_faces: int | None
    quality_filter: str


class Journal:
    """The photos that one collection has processed.

    A collection is identified by its ARN and its creation time, whatever the URL of its server. One
    that was deleted and created again therefore starts with an empty journal.
    """

    def __init__(self, path: Path, *, arn: str, created: str) -> None:
        """Open the journal, and create it if it does not exist.

        Raises:
            ImportStopped: if the file cannot be used.
        """
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, timeout=30, isolation_level=None)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.executescript(_SCHEMA)
            self._collection = self._find(arn, created)
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from None

    def find(self, photo: Photo, request: Request) -> Outcome | None:
        """Return the recorded outcome of this version of a photo and this request, or None."""
        row = self._database.execute(
            "SELECT result, faces, reasons, smaller FROM photo"
            " WHERE (collection, place, request, version) = (?, ?, ?, ?)",
            (*self._key(photo, request), photo.version),
        ).fetchone()
        if row is None:
            return None
        result, faces, reasons, smaller = row
        return Outcome(
            photo.place,
            Result(result),
            request.external_image_id,
            faces,
            json.loads(reasons),
            smaller=bool(smaller),
            earlier=True,
        )

    def add(self, photo: Photo, request: Request, outcome: Outcome) -> None:
        """Record a response of IndexFaces.

        Raises:
            ImportStopped: if the journal cannot be written.
        """
        try:
            self._database.execute(
                "INSERT OR REPLACE INTO photo VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *self._key(photo, request),
                    photo.version,
                    outcome.result,
                    outcome.faces,
                    json.dumps(outcome.reasons),
                    outcome.smaller,
                ),
            )
        except sqlite3.Error as error:
            raise self._unusable(error) from None

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _find(self, arn: str, created: str) -> int:
        self._database.execute(
            "INSERT OR IGNORE INTO collection (arn, created) VALUES (?, ?)", (arn, created)
        )
        row = self._database.execute(
            "SELECT id FROM collection WHERE (arn, created) = (?, ?)", (arn, created)
        ).fetchone()
        return int(row[0])

    def _key(self, photo: Photo, request: Request) -> tuple[int, bytes, str]:
        # A file name may contain bytes that are not valid UTF-8.
        return self._collection, os.fsencode(photo.place), json.dumps(asdict(request))

    def _unusable(self, error: Exception) -> ImportStopped:
        return ImportStopped(
            f"The journal of imported photos, {self._path}, cannot be used ({error}); free disk"
            " space, or specify another data directory with --data-dir."
        )
