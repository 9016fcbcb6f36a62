"""A journal of processed photos, so that a later run does not repeat them.

IndexFaces is idempotent: repeating a photo changes nothing and only costs time. The journal may
therefore lose entries in a power cut (it is not synchronised to disk after each one), but must
never contain a photo that IndexFaces did not acknowledge.

Names of collections, photos and people are stored as SHA-256 digests only, so that none remains
here when the faces are deleted.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from facedex.api.photo_results import Result
from facedex_cli.importing.import_errors import ImportStopped
from facedex_cli.importing.outcomes import Outcome
from facedex_cli.importing.photos import Photo

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS finished (
    collection BLOB NOT NULL,
    place BLOB NOT NULL,
    request BLOB NOT NULL,
    version TEXT NOT NULL,
    result TEXT NOT NULL,
    faces INTEGER NOT NULL,
    reasons TEXT NOT NULL,
    smaller INTEGER NOT NULL,
    PRIMARY KEY (collection, place, request)
) WITHOUT ROWID;
"""
# Earlier releases stored the names themselves.
_CONVERT: Final = """
BEGIN IMMEDIATE;
INSERT OR IGNORE INTO finished
    SELECT digest(arn || ' ' || created), digest(place), digest(request),
        version, result, faces, reasons, smaller
    FROM photo JOIN collection ON collection.id = photo.collection;
DROP TABLE photo;
DROP TABLE collection;
COMMIT;
VACUUM;
PRAGMA wal_checkpoint(TRUNCATE);
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
        self._collection = _digest(f"{arn} {created}")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, timeout=30, isolation_level=None)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.executescript(_SCHEMA)
            self._convert()
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from None

    def find(self, photo: Photo, request: Request) -> Outcome | None:
        """Return the recorded outcome of this version of a photo and this request, or None.

        Raises:
            ImportStopped: if the journal is damaged.
        """
        try:
            row = self._database.execute(
                "SELECT result, faces, reasons, smaller FROM finished"
                " WHERE (collection, place, request, version) = (?, ?, ?, ?)",
                (*self._key(photo, request), photo.version),
            ).fetchone()
        except sqlite3.Error as error:
            raise self._unusable(error) from None
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
                "INSERT OR REPLACE INTO finished VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
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

    def _convert(self) -> None:
        """Convert the tables of earlier releases, and remove the names in them from the file."""
        found = self._database.execute("SELECT 1 FROM sqlite_schema WHERE name = 'photo'")
        if found.fetchone():
            self._database.create_function("digest", 1, _digest, deterministic=True)
            self._database.executescript(_CONVERT)

    def _key(self, photo: Photo, request: Request) -> tuple[bytes, bytes, bytes]:
        # A file name may contain bytes that are not valid UTF-8; an S3 key may contain characters
        # that the system's own encoding does not have.
        place = _digest(photo.place.encode("utf-8", "surrogateescape"))
        return self._collection, place, _digest(json.dumps(asdict(request)))

    def _unusable(self, error: Exception) -> ImportStopped:
        return ImportStopped(
            f"The journal of imported photos, {self._path}, cannot be used ({error}); free disk"
            " space, remove the file if it is damaged, or specify another data directory with"
            " --data-dir."
        )


def _digest(name: str | bytes) -> bytes:
    data = name.encode() if isinstance(name, str) else name
    return hashlib.sha256(data).digest()
