"""A user's own Postgres, with a password in Secrets Manager, behind verified TLS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import boto3
import botocore
import pytest
from click.testing import CliRunner
from moto.server import ThreadedMotoServer
from psycopg.conninfo import make_conninfo

from facedex import settings
from facedex.aws.database_secret import DatabaseSecret
from facedex.runtime import services
from facedex.setting_reader import SettingError
from facedex.store import schema
from facedex.store.database import Database
from facedex.store.store_errors import StoreError
from facedex_cli.program import main
from facedex_functions.migrate import handler
from facedex_local.postgres.cluster import Postgres
from tests.deployed.certificates import Certificate
from tests.deployed.database import Databases
from tests.own_database import OwnDatabase

_HOST = "own.localhost"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate.create(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def front(
    postgres: Postgres, certificate: Certificate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Databases]:
    databases = Databases(tmp_path_factory.mktemp("front"))
    for host in (_HOST, "other.example"):
        databases.adopt(host, postgres)
    databases.start(certificate)
    yield databases
    databases.stop()


@pytest.fixture(scope="module")
def secrets_manager() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def environment(secrets_manager: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": secrets_manager,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def own(postgres: Postgres) -> Iterator[OwnDatabase]:
    made = OwnDatabase(postgres, f"own_{uuid4().hex[:12]}")
    yield made
    made.drop()


@pytest.fixture
def secret() -> str:
    """Return the ARN of a new secret in a region that is not the process's own."""
    client = boto3.client("secretsmanager", region_name="eu-west-1")
    return str(client.create_secret(Name=uuid4().hex, SecretString="unset")["ARN"])


def _write(secret: str, text: str) -> None:
    client = boto3.client("secretsmanager", region_name="eu-west-1")
    client.put_secret_value(SecretId=secret, SecretString=text)


def _of(own: OwnDatabase) -> str:
    return json.dumps({"username": own.role, "password": own.password, "engine": "postgres"})


@pytest.fixture
def url(own: OwnDatabase, front: Databases, certificate: Certificate) -> str:
    """Return the connection string of the role, without its password, through TLS."""
    trust = f"sslmode=verify-full&sslrootcert={certificate.chain}"
    address = f"hostaddr={front.address}"
    return f"postgresql://{own.role}@{_HOST}:5432/{own.role}?{trust}&{address}"


def test_connections_survive_a_rotation_of_the_password(
    own: OwnDatabase, secret: str, url: str
) -> None:
    own.prepare()
    _write(secret, _of(own))
    database = Database(url, passwords=DatabaseSecret(secret, own.role))
    assert schema.migrate(database) == [name for name, _ in schema._migrations()]
    own.change_password("another; pass'word")
    _write(secret, _of(own))
    with database.transaction() as connection:
        assert connection.info.password == own.password
    # A refused password is replaced at once, not in the pool's next attempt after a pause.
    assert database._pool._pool.get_stats().get("connections_errors", 0) == 0
    database.ping()
    database.close()


def test_a_secret_may_be_the_password_alone(own: OwnDatabase, secret: str, url: str) -> None:
    own.prepare()
    own.change_password("0123456789")
    _write(secret, "0123456789\n")
    database = Database(url, passwords=DatabaseSecret(secret, own.role))
    database.ping()
    database.close()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{}", "has no password: it must be the password itself, or a JSON object"),
        ('{"password": 7}', "has no password: "),
        ('{"username": "other", "password": "x"}', "is of another role than ann; rotation that"),
    ],
)
def test_a_secret_without_the_roles_password_is_refused(
    secret: str, text: str, sentence: str
) -> None:
    _write(secret, text)
    with pytest.raises(SettingError, match=sentence):
        DatabaseSecret(secret, "ann").current()


def test_a_secret_that_does_not_exist_is_named(secret: str) -> None:
    missing = secret.replace("eu-west-1", "eu-west-2")
    with pytest.raises(SettingError, match=f"names the secret {missing}, which cannot be read"):
        DatabaseSecret(missing, "ann").current()


@pytest.fixture
def migrate_with(monkeypatch: pytest.MonkeyPatch) -> Iterator[Migrate]:
    made = Migrate(monkeypatch)
    yield made
    made.close()


class Migrate:
    """The function that migrates, in this process.

    Args:
        patch: changes the environment for one test.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch

    def __call__(self, url: str, secret: str) -> str:
        """Return the reason that CloudFormation receives; empty for success."""
        named = {"URL": url, "AUTH": "password", "SECRET": secret}
        values = {f"DATABASE_{name}": value for name, value in named.items()}
        for name, value in {**values, "AUTH": "iam", "MODELS": "/opt/models"}.items():
            self._patch.setenv(f"FACEDEX_{name}", value)
        self.close()
        outcome = handler._handle({"RequestType": "Create"})
        return str(outcome.get("Reason", ""))

    def close(self) -> None:
        if services._database.cache_info().currsize:
            services._database().close()
        services._database.cache_clear()
        settings.settings.cache_clear()


def test_a_refused_password_is_reported_and_not_logged(
    own: OwnDatabase,
    secret: str,
    url: str,
    migrate_with: Migrate,
    caplog: pytest.LogCaptureFixture,
) -> None:
    own.prepare()
    _write(secret, json.dumps({"username": own.role, "password": "not-the-password"}))
    reason = migrate_with(url, secret)
    assert reason.startswith(
        "The database refuses the connection. It refuses the role's password. ("
    )
    assert own.role in caplog.text
    for hidden in ("not-the-password", own.password):
        assert hidden not in caplog.text + reason


def test_a_certificate_of_another_authority_is_refused(
    own: OwnDatabase,
    secret: str,
    url: str,
    certificate: Certificate,
    tmp_path: Path,
    migrate_with: Migrate,
) -> None:
    own.prepare()
    _write(secret, _of(own))
    # The second is the list of public authorities that functions trust by default.
    public = Path(botocore.__file__).with_name("cacert.pem")
    for other in (Certificate.create(tmp_path).chain, public):
        reason = migrate_with(url.replace(str(certificate.chain), str(other)), secret)
        assert "Its certificate is not signed by a trusted authority." in reason


def test_a_certificate_for_another_host_is_refused(
    own: OwnDatabase, secret: str, url: str, migrate_with: Migrate
) -> None:
    own.prepare()
    _write(secret, _of(own))
    reason = migrate_with(url.replace(_HOST, "other.example"), secret)
    assert "Its certificate is for another host name." in reason


def test_an_unreadable_secret_is_reported(
    own: OwnDatabase, secret: str, url: str, migrate_with: Migrate
) -> None:
    own.prepare()
    missing = secret.replace("eu-west-1", "eu-west-2")
    assert "which cannot be read" in migrate_with(url, missing)


@pytest.mark.parametrize(
    ("prepared", "changes", "sentence"),
    [
        (
            {"extension": False},
            (),
            "has no extension vector, and the role {role} may not create it; run as an"
            " administrator: CREATE EXTENSION vector",
        ),
        (
            {"rights": False},
            (),
            "The role {role} may not create tables in the schema public; run as an administrator:"
            " GRANT USAGE, CREATE ON SCHEMA public TO {role}",
        ),
        (
            {"extension": False},
            ("CREATE SCHEMA extensions", "CREATE EXTENSION vector SCHEMA extensions"),
            "The extension vector is in the schema extensions, which is not in the search path of"
            " the role {role}; run as an administrator: ALTER ROLE {role} SET search_path = public,"
            " extensions",
        ),
        (
            {},
            ("ALTER ROLE {role} SET default_transaction_read_only = on",),
            "The database {role} accepts no changes; connect to its primary server.",
        ),
        (
            {},
            ("ALTER ROLE {role} SET search_path = nowhere",),
            "The role {role} has no schema in its search path; create one, such as public.",
        ),
        (
            {},
            ("CREATE TABLE schema_migrations (name text)",),
            "The tables of Facedex in the database {role} belong to the role postgres; connect as"
            " that role, or run: GRANT postgres TO {role}",
        ),
    ],
)
def test_a_migration_says_what_the_database_lacks(
    own: OwnDatabase, prepared: dict[str, bool], changes: tuple[str, ...], sentence: str
) -> None:
    own.prepare(**prepared)
    for change in changes:
        own.run(change.format(role=own.role))
    database = Database(_inside(own))
    with pytest.raises(StoreError) as caught:
        schema.migrate(database)
    database.close()
    assert str(caught.value).endswith(sentence.format(role=own.role))
    assert own.run("SELECT 1 FROM pg_tables WHERE tablename = 'collections'") == []


def test_an_outdated_pgvector_is_refused(own: OwnDatabase) -> None:
    own.prepare()
    own.run("UPDATE pg_extension SET extversion = '0.6.2' WHERE extname = 'vector'")
    database = Database(_inside(own))
    with pytest.raises(StoreError, match=r"has pgvector 0\.6\.2; Facedex needs 0\.7 or newer"):
        schema.migrate(database)
    database.close()


def test_commands_that_only_read_work_with_a_role_that_may_only_read(
    own: OwnDatabase, tmp_path: Path
) -> None:
    own.prepare(rights=False)
    database = Database(make_conninfo(own.cluster.url, dbname=own.role))
    schema.migrate(database)
    database.close()
    own.run(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {own.role}")
    places = [f"--data-dir={tmp_path}", f"--database-url={_inside(own)}"]
    for command in (["keys", "list"], ["collections", "list"], ["audit", "head"]):
        done = CliRunner().invoke(main, [*command, *places])
        assert done.exit_code == 0, done.stderr
    refused = CliRunner().invoke(main, ["keys", "create", *places])
    assert refused.exit_code == 1
    assert refused.stderr == (
        "Error: The database's role lacks a right (permission denied for table access_keys);"
        " connect as the role that owns the tables of Facedex.\n"
    )


def _inside(own: OwnDatabase) -> str:
    """Return the connection string of the role on this machine, without TLS."""
    return make_conninfo(own.cluster.url, user=own.role, dbname=own.role, password=own.password)
