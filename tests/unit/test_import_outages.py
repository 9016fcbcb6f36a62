"""An import ends when the server fails with every photo, and not when it fails with some."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from facedex.api.photo_results import Result
from facedex_cli.importing.import_errors import ImportStopped
from facedex_cli.importing.indexing import MOST_FAILING, Indexer, Job, run_jobs
from facedex_cli.importing.journal import Request
from facedex_cli.importing.photos import Folder, Photo

_FULL = "The disk of the database is full."
_REQUEST = Request("ann", None, "AUTO")


class Service:
    """Answers of IndexFaces, of which one in so many succeeds."""

    def __init__(self, error: Exception, *, every: int) -> None:
        self.calls = 0
        self._error = error
        self._every = every

    def __call__(self, **_: Any) -> Mapping[str, Any]:
        self.calls += 1
        if self._every and self.calls % self._every == 0:
            return {"FaceRecords": [{}], "UnindexedFaces": []}
        raise self._error


def refusal(code: str, status: int) -> ClientError:
    error: Any = {"Code": code, "Message": _FULL}
    metadata: Any = {"HTTPStatusCode": status}
    return ClientError({"Error": error, "ResponseMetadata": metadata}, "IndexFaces")


@pytest.fixture
def jobs(tmp_path: Path) -> list[Job]:
    path = tmp_path / "ann.jpg"
    path.write_bytes(b"\xff\xd8\xff")
    (photo,) = Folder(tmp_path).find()
    assert isinstance(photo, Photo)
    return [Job(photo, _REQUEST)] * (3 * MOST_FAILING)


def run(service: Service, jobs: list[Job]) -> list[Result]:
    indexer = Indexer(service, "staff", Folder(Path(jobs[0].photo.place).parent))
    done = run_jobs(jobs, indexer.index, concurrency=1, stopped=lambda: False)
    return [outcome.result for _, outcome in done]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (refusal("InternalServerError", 500), f"InternalServerError: {_FULL}"),
        (ReadTimeoutError(endpoint_url="http://server"), "Read timeout on endpoint URL"),
    ],
    ids=["full disk", "no answer"],
)
def test_a_server_that_fails_with_every_photo_ends_the_import(
    jobs: list[Job], error: Exception, reason: str
) -> None:
    service = Service(error, every=0)
    with pytest.raises(ImportStopped, match="Run the same command again to resume it") as stopped:
        run(service, jobs)
    assert reason in str(stopped.value)
    assert MOST_FAILING <= service.calls < 2 * MOST_FAILING


@pytest.mark.parametrize(
    ("error", "every"),
    [(refusal("InternalServerError", 500), MOST_FAILING), (refusal("ThrottlingException", 400), 0)],
    ids=["some succeed", "requests are refused"],
)
def test_other_failures_leave_the_import_to_the_other_photos(
    jobs: list[Job], error: Exception, every: int
) -> None:
    results = run(Service(error, every=every), jobs)
    assert len(results) == len(jobs)
    assert results.count(Result.INDEXED) == (len(jobs) // every if every else 0)
