"""``facedex import`` that is interrupted, or cannot begin."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.importer import Importer, portrait

if TYPE_CHECKING:
    from tests.conftest import Server

MANY = 120  # photos, more than are imported before a busy machine sends a signal


def test_an_interrupted_import_resumes(
    importer: Importer, tmp_path: Path, portraits: dict[str, bytes]
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    picture = portrait(portraits["eileen"])
    for number in range(MANY):
        picture.rotate(number / 20).save(folder / f"{number}.jpg")
    process = importer.start(folder, "--concurrency=2")
    wait_for(lambda: importer_has_faces(importer))
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "interrupted" in errors
    done = set(importer.external_ids())
    first = importer.report()
    assert {row["external_image_id"] for row in first.values()} == done
    assert 0 < len(done) < MANY
    second = importer(folder)
    assert {row["external_image_id"] for row in second.values() if row["earlier_run"]} == done
    assert len(importer.external_ids()) == len(second) == MANY


def importer_has_faces(importer: Importer) -> bool:
    try:
        return bool(importer.external_ids())
    except importer.client.exceptions.ResourceNotFoundException:
        return False


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("source", "options", "sentence"),
    [
        ("nowhere", (), "nowhere is not a folder"),
        ("s3://there-is-no-such-bucket/", (), "The photos cannot be listed"),
        ("s3:///photos", (), "s3:///photos is not a folder, nor s3://BUCKET/PREFIX."),
        (".", ("--no-create",), "create it with --create"),
        (".", ("--endpoint-url=http://127.0.0.1:9",), "Start the server with: facedex up"),
    ],
)
def test_an_impossible_import_is_reported_in_one_sentence(
    server: Server, tmp_path: Path, source: str, options: tuple[str, ...], sentence: str
) -> None:
    process = Importer(server, tmp_path).start(source if source != "." else tmp_path, *options)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "Traceback" not in errors
    assert sentence in " ".join(errors.split()) or sentence in output


def test_a_report_that_cannot_be_written_leaves_no_collection(
    server: Server, tmp_path: Path
) -> None:
    importer = Importer(server, tmp_path)
    process = importer.start(tmp_path, f"--report={tmp_path / 'missing' / 'report.csv'}")
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "report.csv cannot be written (No such file or directory)" in " ".join(errors.split())
    missing = importer.client.exceptions.ResourceNotFoundException
    with pytest.raises(missing):
        importer.client.describe_collection(CollectionId=importer.collection)
