"""The functions of a deployment that are not operations, with a real Postgres."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import HTTPServer
from pathlib import Path
from typing import Any

import psycopg
import pytest

from facedex import settings
from facedex.runtime import services
from facedex.store import access_keys, audit_upkeep, collections, schema
from facedex.store.audit import Trail, timestamp
from facedex.store.database import Database
from facedex.store.encryption import Cipher
from facedex_cli.auditing.verifying import verify_table
from facedex_functions.access_keys.handler import lambda_handler as manage_keys
from facedex_functions.sweep.handler import lambda_handler as sweep
from facedex_local.http.gateway import Context
from tests.integration.asleep import Asleep
from tests.integration.cloudformation import Answers, CloudFormation

EVENTS = Path(__file__).parents[2] / "events"
SECRET = "a secret of more than thirty-two characters"
MIGRATIONS = schema._migrations()
_ACTIONS = "Action must be one of create, list, reencrypt, enable, disable, delete."


@pytest.fixture(autouse=True)
def environment(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set the settings of a function with an empty database."""
    for name, value in {
        "DATABASE_URL": database_url,
        "MODELS": "/opt/models",
        "AUTH": "keys",
        "KEYS_SECRET": SECRET,
    }.items():
        monkeypatch.setenv(f"FACEDEX_{name}", value)
    made = (settings.settings, services._database)
    for each in made:
        each.cache_clear()
    yield
    services.database().close()
    for each in made:
        each.cache_clear()


@pytest.fixture
def cloudformation() -> Iterator[CloudFormation]:
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield CloudFormation(server)
        server.shutdown()


def test_new_stack_gets_the_whole_schema(cloudformation: CloudFormation) -> None:
    answer = cloudformation.ask("Create")
    assert answer["Status"] == "SUCCESS"
    assert answer["Data"]["Applied"].split(", ") == [name for name, _ in MIGRATIONS]
    with services.database().transaction() as connection:
        collections.create(connection, "staff", "dlib")


def test_repeating_an_update_changes_nothing(cloudformation: CloudFormation) -> None:
    cloudformation.ask("Create")
    for _ in range(2):
        answer = cloudformation.ask("Update")
        assert (answer["Status"], answer["Data"]) == ("SUCCESS", {"Applied": ""})


def test_deleting_the_stack_touches_no_data(cloudformation: CloudFormation) -> None:
    cloudformation.ask("Create")
    _create_collection()
    assert cloudformation.ask("Delete")["Status"] == "SUCCESS"
    assert _collections() == ["staff"]


def test_deleting_succeeds_without_a_database(
    cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEDEX_DATABASE_URL", "postgresql://127.0.0.1:9/facedex")
    assert cloudformation.ask("Delete")["Status"] == "SUCCESS"


def test_failed_migration_reports_why_and_keeps_the_data(
    cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloudformation.ask("Create")
    _create_collection()
    broken = "ALTER TABLE collections ADD COLUMN colour text; SELECT no_such_function();"
    monkeypatch.setattr(schema, "_migrations", lambda: [*MIGRATIONS, ("9999_broken.sql", broken)])
    answer = cloudformation.ask("Update")
    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith("The migration 9999_broken.sql failed: function no_such_")
    assert _collections() == ["staff"]
    with services.database().transaction() as connection:
        row = connection.execute(
            "SELECT count(*) AS count FROM information_schema.columns"
            " WHERE table_name = 'collections' AND column_name = 'colour'"
        ).fetchone()
    assert row is not None
    assert row.count == 0


def test_migration_that_takes_longer_than_the_function_is_rolled_back(
    cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloudformation.ask("Create")
    _create_collection()
    slow = "ALTER TABLE collections ADD COLUMN colour text; SELECT pg_sleep(60);"
    monkeypatch.setattr(schema, "_migrations", lambda: [*MIGRATIONS, ("9999_slow.sql", slow)])
    # One second in addition to the time reserved for the response.
    context = Context("facedex-migrate", timeout=61, memory_limit_in_mb=256, aws_request_id="r")
    answer = cloudformation.ask("Update", context)
    assert answer["Status"] == "FAILED"
    assert "9999_slow.sql" in answer["Reason"]
    assert context.get_remaining_time_in_millis() > 50_000
    # The update during the rollback succeeds.
    monkeypatch.setattr(schema, "_migrations", lambda: MIGRATIONS)
    assert cloudformation.ask("Update")["Status"] == "SUCCESS"
    assert _collections() == ["staff"]


def test_older_code_does_not_change_a_newer_schema(
    cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloudformation.ask("Create")
    _create_collection()
    monkeypatch.setattr(schema, "_migrations", lambda: MIGRATIONS[:-1])
    answer = cloudformation.ask("Update")
    assert (answer["Status"], answer["Data"]) == ("SUCCESS", {"Applied": ""})
    assert _collections() == ["staff"]


def test_address_of_the_response_is_not_logged(
    cloudformation: CloudFormation, capfd: pytest.CaptureFixture[str]
) -> None:
    cloudformation.ask("Create")
    assert "Signature" not in "".join(capfd.readouterr())


def test_a_paused_database_is_woken(
    cloudformation: CloudFormation, postgres: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Asleep(postgres) as database:
        monkeypatch.setenv("FACEDEX_DATABASE_URL", database.url)
        threading.Timer(1.0, database.wake).start()
        assert cloudformation.ask_to_wake("Update")["Status"] == "SUCCESS"
        assert database.awake


def test_a_database_without_the_role_is_awake(
    cloudformation: CloudFormation, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first deployment creates the role after that."""
    url = psycopg.conninfo.make_conninfo(database_url, user="nobody_yet")
    monkeypatch.setenv("FACEDEX_DATABASE_URL", url)
    assert cloudformation.ask_to_wake("Create")["Status"] == "SUCCESS"


def test_a_database_that_cannot_be_woken_fails_the_deployment(
    cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facedex_functions.migrate.handler._PATIENCE", 0.0)
    monkeypatch.setenv("FACEDEX_DATABASE_URL", "postgresql://127.0.0.1:9/facedex")
    answer = cloudformation.ask_to_wake("Update")
    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith("No connection to the database was possible.")
    assert cloudformation.ask_to_wake("Delete")["Status"] == "SUCCESS"


def test_prepared_database_has_a_role_that_can_migrate(
    cdk: None, postgres: Any, database_url: str
) -> None:
    from infra.constructs.database_preparation import preparation
    from infra.settings import StackSettings

    parameters = psycopg.conninfo.conninfo_to_dict(database_url)
    name = parameters["dbname"]
    with psycopg.connect(database_url, autocommit=True) as administrator:
        # As on RDS: a master user who owns the database and may create roles; no superuser.
        administrator.execute("CREATE ROLE master LOGIN CREATEROLE")
        # On RDS, the master user may do this; here, it needs a superuser.
        administrator.execute("CREATE EXTENSION vector")
        administrator.execute("CREATE ROLE rds_iam")
        administrator.execute("GRANT rds_iam TO master WITH ADMIN OPTION")
        administrator.execute(f"ALTER DATABASE {name} OWNER TO master")
        try:
            as_master = psycopg.conninfo.make_conninfo(database_url, user="master")
            for _ in range(2):
                with psycopg.connect(as_master) as master:
                    master.execute(preparation(StackSettings()))
            url = psycopg.conninfo.make_conninfo(database_url, user="facedex")
            database = Database(url)
            assert schema.migrate(database) == [name for name, _ in MIGRATIONS]
            trail = Trail({"time": timestamp(), "operation": "CreateCollection"})
            with database.recording(trail).transaction() as connection:
                collections.create(connection, "staff", "dlib")
            with database.reading() as connection:
                for statement in (
                    "UPDATE audit_log SET entry = ''",
                    "DELETE FROM audit_log",
                    "ALTER TABLE audit_log DISABLE TRIGGER ALL",
                ):
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        connection.execute(statement)
                connection.execute("SELECT separate_audit()")
            audit_upkeep.chain_all(database)
            assert verify_table(database, {}).rows == 1
            database.close()
            # The settings of a proxy's connections, which have none of their own.
            with psycopg.connect(url) as connected:
                settings = connected.execute(
                    "SELECT name, setting FROM pg_settings WHERE source = 'user'"
                )
                assert dict(settings.fetchall()) == {
                    "statement_timeout": "20000",
                    "idle_in_transaction_session_timeout": "20000",
                    "idle_session_timeout": "60000",
                }
        finally:
            administrator.execute(f"ALTER DATABASE {name} OWNER TO CURRENT_USER")
            roles = administrator.execute(
                "SELECT rolname FROM pg_roles"
                " WHERE rolname IN ('facedex', 'facedex_audit', 'master', 'rds_iam')"
            )
            for (role,) in roles.fetchall():
                administrator.execute(f"DROP OWNED BY {role} CASCADE")
                administrator.execute(f"DROP ROLE {role}")


def test_sweep_removes_the_rows_of_a_deleted_collection() -> None:
    database = services.database()
    schema.migrate(database)
    _create_collection()
    with database.transaction() as connection:
        connection.execute("UPDATE collections SET deleted_at = now()")
    context = Context("facedex-sweep", timeout=300, memory_limit_in_mb=256, aws_request_id="r")
    sweep(json.loads((EVENTS / "sweep.json").read_text()), context)
    with database.transaction() as connection:
        assert connection.execute("SELECT 1 FROM collections").fetchone() is None


def test_created_key_verifies_signatures() -> None:
    schema.migrate(services.database())
    made = manage_keys({"Action": "create", "Name": "door", "ReadOnly": True}, None)
    with services.database().transaction() as connection:
        found = access_keys.read(connection, Cipher(SECRET), made["AccessKeyId"])
    assert found.secret == made["SecretAccessKey"]
    assert found.key.permission == made["Permission"] == "read-only"


def test_keys_are_listed_without_secrets_disabled_enabled_and_deleted() -> None:
    schema.migrate(services.database())
    identifier = manage_keys({"Action": "create"}, None)["AccessKeyId"]

    def listed() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = manage_keys({"Action": "list"}, None)["AccessKeys"]
        return found

    (key,) = listed()
    assert (key["AccessKeyId"], key["DisabledAt"]) == (identifier, None)
    assert "SecretAccessKey" not in key
    answer = manage_keys({"Action": "disable", "AccessKeyId": identifier}, None)
    assert answer == {"AccessKeyId": identifier}
    assert listed()[0]["DisabledAt"]
    manage_keys({"Action": "enable", "AccessKeyId": identifier}, None)
    assert listed()[0]["DisabledAt"] is None
    manage_keys({"Action": "delete", "AccessKeyId": identifier}, None)
    assert listed() == []


def test_keys_are_encrypted_again_under_a_new_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    schema.migrate(services.database())
    made = manage_keys({"Action": "create"}, None)
    new = SECRET[::-1]
    monkeypatch.setenv("FACEDEX_KEYS_SECRET", new)
    settings.settings.cache_clear()
    refused = manage_keys({"Action": "reencrypt"}, None)
    assert "encrypted under another value of FACEDEX_KEYS_SECRET" in refused["Error"]
    monkeypatch.setenv("FACEDEX_KEYS_SECRET", f"{new}\nprevious:{SECRET}")
    settings.settings.cache_clear()
    assert manage_keys({"Action": "reencrypt"}, None) == {"Reencrypted": 1}
    with services.database().transaction() as connection:
        found = access_keys.read(connection, Cipher(new), made["AccessKeyId"])
    assert found.secret == made["SecretAccessKey"]


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        ({}, _ACTIONS),
        (
            {"Action": "make"},
            _ACTIONS,
        ),
        (
            {"Action": ["list"]},
            _ACTIONS,
        ),
        ({"Action": "list", "Name": "x"}, "list takes nothing else, not Name."),
        ({"Action": "create", "Nam": "x"}, "create takes Name and ReadOnly, not Nam."),
        ({"Action": "create", "ReadOnly": "yes"}, "ReadOnly must be true or false."),
        ({"Action": "create", "Name": 7}, "Name must be text."),
        ({"Action": "delete", "AccessKeyId": "AKIA"}, "There is no access key 'AKIA'."),
        ({"Action": "enable"}, "There is no access key ''."),
    ],
)
def test_mistake_with_keys_is_reported_in_one_sentence(
    event: dict[str, Any], sentence: str
) -> None:
    schema.migrate(services.database())
    assert manage_keys(event, None) == {"Error": sentence}


def _create_collection() -> None:
    with services.database().transaction() as connection:
        collections.create(connection, "staff", "dlib")


def _collections() -> list[str]:
    with services.database().transaction() as connection:
        rows = connection.execute("SELECT collection_id FROM collections")
        return [row.collection_id for row in rows]
