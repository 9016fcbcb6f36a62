"""Several servers on one database: work that needs a server's own memory stays with this server."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from facedex.settings import Settings
from facedex.store import (
    access_keys,
    active_streams,
    collections,
    job_cleanup,
    job_notifications,
    job_starts,
    jobs,
    stream_processors,
    stream_runs,
    tasks,
)
from facedex.store.access_keys import Permission
from facedex.store.database import Database
from facedex.store.encryption import Cipher
from facedex.store.jobs import PLANNING
from facedex.store.store_errors import WrongKeysSecret
from facedex.store.stream_processors import Definition
from facedex.store.tasks import Task
from facedex_local import directory
from tests.integration.video_store import order

FIRST, SECOND, SHARED = "first", "second", ""


def start(database: Database, server: str) -> str:
    with database.transaction() as connection:
        return job_starts.start(
            connection, order(), token=None, request={}, limit=9, days=1, server=server
        )


def test_the_film_of_a_servers_own_s3_is_left_to_its_workers(database: Database) -> None:
    own, shared = start(database, FIRST), start(database, SHARED)
    with database.transaction() as connection:
        # A server that has an S3 of its own cannot read the films of the shared one.
        assert tasks.claim_messages(connection, servers=[SECOND]) == []
        assert not tasks.any_unfinished(connection, servers=[SECOND])
        assert tasks.any_unfinished(connection)
        assert tasks.claim_messages(connection, servers=[SHARED, SECOND]) == [
            Task(shared, PLANNING)
        ]
        assert tasks.claim_messages(connection, servers=[SHARED, SECOND]) == []
        assert tasks.claim_messages(connection, servers=[FIRST]) == [Task(own, PLANNING)]
        assert jobs.end(connection, shared, failure="It was a test.")
        assert not tasks.any_unfinished(connection)
        assert tasks.any_unfinished(connection, servers=[FIRST])


def test_a_job_of_an_earlier_release_is_done_by_any_server(database: Database) -> None:
    job_id = start(database, SHARED)
    with database.transaction() as connection:
        connection.execute("UPDATE video_jobs SET server = NULL")
        assert tasks.claim_messages(connection, servers=[FIRST]) == [Task(job_id, PLANNING)]


@pytest.mark.parametrize(
    ("own", "needed", "server", "servers"),
    [
        ("", ["S3"], "", ("", "me")),
        ("S3,SQS,SNS", ["S3"], "me", ("me",)),
        ("SQS,SNS", ["S3"], "", ("", "me")),
        ("SQS,SNS", ["S3", "SNS"], "me", ("me",)),
    ],
)
def test_work_belongs_to_a_server_if_this_has_one_of_the_services(
    own: str, needed: list[str], server: str, servers: tuple[str, ...]
) -> None:
    required = dict.fromkeys(("FACEDEX_DATABASE_URL", "FACEDEX_MODELS"), "set")
    chosen = {"FACEDEX_AUTH": "none", "FACEDEX_SERVER": "me", "FACEDEX_OWN_SERVICES": own}
    settings = Settings.from_environment({**required, **chosen})
    assert settings.server_of(*needed) == server
    assert settings.servers(*needed) == servers


def test_a_job_is_announced_by_the_server_that_has_its_topic(database: Database) -> None:
    job_id = start(database, FIRST)
    with database.transaction() as connection:
        jobs.end(connection, job_id, failure="It was a test.")
        assert job_notifications.claim_notification(connection, servers=[SECOND]) is None
        found = job_notifications.claim_notification(connection, servers=[FIRST])
        assert found is not None
        assert found.job_id == job_id


def test_a_job_of_a_lost_server_fails_while_jobs_of_others_continue(database: Database) -> None:
    lost, busy = start(database, FIRST), start(database, SECOND)
    with database.transaction() as connection:
        connection.execute(
            "UPDATE video_jobs SET created_at = now() - interval '2 hours',"
            " progressed_at = CASE WHEN job_id = %s THEN now() - interval '2 hours'"
            " ELSE now() END",
            (lost,),
        )
        assert job_cleanup.fail_stalled(connection, seconds=3600) == [lost]
        assert jobs.find(connection, busy).status == "IN_PROGRESS"


def test_a_stream_in_a_servers_memory_is_left_to_its_workers(database: Database) -> None:
    with database.transaction() as connection:
        collection = collections.create(connection, "staff", "1.2")
        definition = Definition(
            "door",
            "arn:aws:kinesisvideo:us-east-1:123456789012:stream/door/1",
            "arn:aws:kinesis:us-east-1:123456789012:stream/seen",
            "arn:aws:iam::123456789012:role/facedex",
            collection.key,
            collection.collection_id,
            80.0,
            None,
        )
        door = stream_processors.create(connection, definition, limit=9)
        stream_processors.start(connection, door, collection, server=FIRST)
        assert stream_runs.claim_messages(connection, servers=[SECOND]) == []
        assert active_streams.count_active(connection, servers=[SECOND]) == 0
        assert active_streams.list_active(connection, servers=[SECOND]) == []
        assert active_streams.count_active(connection, servers=[FIRST]) == 1
        assert stream_runs.claim_messages(connection, servers=[FIRST]) == [door.key]
        # Started again elsewhere, the processor belongs to the other server.
        door = stream_processors.find(connection, "door", for_update=True)
        stream_processors.stop(connection, door)
        door = stream_processors.find(connection, "door", for_update=True)
        stream_processors.start(connection, door, collection, server=SECOND)
        assert stream_runs.claim_messages(connection, servers=[FIRST]) == []
        assert stream_runs.claim_messages(connection, servers=[SECOND]) == [door.key]


def test_a_server_with_another_secret_learns_that_it_cannot_read_the_keys(
    database: Database,
) -> None:
    ours, theirs = (Cipher(f"a secret of {who} with 32 characters") for who in ("us", "them"))
    with database.transaction() as connection:
        access_keys.require_readable(connection, ours)
        made = access_keys.create(connection, theirs, Permission.ALL)
        access_keys.create(connection, ours, Permission.ALL)
        with pytest.raises(WrongKeysSecret, match=r"^1 of 2 enabled access keys .* another keys"):
            access_keys.require_readable(connection, ours)
        access_keys.disable(connection, made.key.access_key_id)
        access_keys.require_readable(connection, ours)


def test_a_data_directory_keeps_the_id_of_its_server(tmp_path: Path) -> None:
    with directory.hold(tmp_path / "one") as held:
        first = directory.identify(held)
    with directory.hold(tmp_path / "one") as held:
        assert directory.identify(held) == first
    with directory.hold(tmp_path / "two") as held:
        assert directory.identify(held) != first


def test_a_second_host_answers_if_the_first_does_not(database: Database, database_url: str) -> None:
    known = psycopg.conninfo.conninfo_to_dict(database_url)
    several = psycopg.conninfo.make_conninfo(
        database_url,
        host=f"127.0.0.1,{known['host']}",
        port=f"1,{known.get('port', 5432)}",
        target_session_attrs="read-write",
    )
    other = Database(several)
    try:
        other.ping()
    finally:
        other.close()
