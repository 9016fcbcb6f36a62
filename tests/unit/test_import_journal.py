"""The journal of an import is used as a whole, or the import stops with a sentence."""

from __future__ import annotations

import os
import subprocess
import sys
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


def test_an_s3_key_may_have_characters_that_the_system_s_encoding_lacks(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from facedex_cli.importing.journal import Journal, Request
from facedex_cli.importing.photos import Photo
journal = Journal(Path(sys.argv[1]), arn="arn", created="today")
photo = Photo("s3://photos/\\u65e5.jpg", "\\u65e5.jpg", "1-1", 1)
print(sys.getfilesystemencoding(), journal.find(photo, Request("ann", None, "AUTO")))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "imports.sqlite")],
        env={**os.environ, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout == "ascii None\n", done.stderr
