"""The journal of an import is used as a whole, or the import stops with a sentence."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from facedex.api.photo_results import Result
from facedex_cli.importing.import_errors import ImportStopped
from facedex_cli.importing.journal import Journal, Request
from facedex_cli.importing.outcomes import Outcome
from facedex_cli.importing.photos import Photo

_REQUEST = Request("ann", None, "AUTO")
_PHOTOS = [Photo(f"/photos/{number}.jpg", f"{number}.jpg", "1-1", 1) for number in range(500)]


def open_journal(path: Path) -> closing[Journal]:
    return closing(Journal(path, arn="arn", created="today"))


def test_a_damaged_journal_stops_an_import_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "imports.sqlite"
    with open_journal(path) as journal:
        for photo in _PHOTOS:
            journal.add(photo, _REQUEST, Outcome(photo.place, Result.INDEXED, "ann", 1))
        assert all(journal.find(photo, _REQUEST) for photo in _PHOTOS)
    data = path.read_bytes()
    # The first page, with the schema, is whole.
    path.write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))
    with open_journal(path) as journal, pytest.raises(ImportStopped, match="remove the file"):
        all(journal.find(photo, _REQUEST) for photo in _PHOTOS)
