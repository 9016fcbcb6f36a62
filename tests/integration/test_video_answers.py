"""Answers about stored videos, while their jobs end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from facedex.api.arns import Owner
from facedex.runtime import services
from facedex.runtime.services import Services
from facedex.store import jobs, timelines
from facedex.store.database import Database
from facedex_functions.get_face_search.handler import get_face_search
from tests.integration.streaming import Configure
from tests.integration.video_store import start, track


@pytest.fixture
def served(
    database: Database, database_url: str, configure: Configure, tmp_path: Path
) -> Iterator[Services]:
    """Return the service on a database."""
    services._database.cache_clear()
    configure(DATABASE_URL=database_url, AUTH="none", MODELS=tmp_path)
    yield Services(Owner("123456789012", "us-east-1"))
    services.database().close()
    services._database.cache_clear()


def test_an_answer_has_the_results_of_the_state_that_it_names(
    database: Database, served: Services
) -> None:
    job_id = start(database)
    with ThreadPoolExecutor(1) as pool:
        with database.transaction() as connection:
            timelines.add_tracks(connection, job_id, 0, [track(0, 200)])
            timelines.write(connection, job_id, [timelines.track_ends(connection, job_id)])
            jobs.end(connection, job_id)
            # The request reads the job, and has to wait before it reads the results.
            connection.execute("LOCK TABLE video_sightings")
            asked = pool.submit(get_face_search, {"JobId": job_id}, served)
            end = time.monotonic() + 30
            while not (asked.done() or _is_waited_for(database)):
                assert time.monotonic() < end
                time.sleep(0.01)
        answer = asked.result()
    assert (answer["JobStatus"], answer["Persons"]) == ("IN_PROGRESS", [])
    assert len(get_face_search({"JobId": job_id}, served)["Persons"]) == 2


def _is_waited_for(database: Database) -> bool:
    with database.reading() as connection:
        return bool(
            connection.execute(
                "SELECT FROM pg_locks WHERE relation = 'video_sightings'::regclass AND NOT granted"
            ).rowcount
        )
