"""The audit log is append-only, complete and chained, whatever its writers do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from facedex.store import audit, audit_reading, audit_upkeep, collections, erasing, schema
from facedex.store.database import Database
from facedex_cli.auditing.verifying import Verified, verify_file, verify_table
from facedex_cli.program import main
from tests.integration.audit_rows import (
    ROWS,
    broken,
    entries,
    exported,
    facedex,
    filled,
    head,
    tamper,
    trail,
)

# Writes rows with changes until it is killed, and prints the name of each acknowledged change.
WRITER = """
import sys
from facedex.store import audit, collections
from facedex.store.audit import Trail
from facedex.store.database import Database
database = Database(sys.argv[1])
for number in range(100_000):
    name = f"{sys.argv[2]}-{number}"
    trail = Trail({"time": audit.timestamp(), "operation": "CreateCollection", "request": name})
    with database.recording(trail).transaction() as connection:
        collections.create(connection, name, "6.1")
    print(name, flush=True)
"""


@pytest.fixture
def log(database: Database) -> Database:
    """Return a database with a few rows."""
    return filled(database)


def test_rows_are_chained_at_once_and_the_table_and_its_export_are_intact(log: Database) -> None:
    assert verify_table(log, {}) == Verified(ROWS, head(log))
    assert verify_file(exported(log), {}) == Verified(ROWS, head(log))


def test_an_export_is_utf_8_whatever_the_terminal_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FACEDEX_DATABASE_URL", raising=False)
    monkeypatch.setenv("LOGNAME", "Zo\xeb \u65e5")  # the caller of a command is the user
    terminal, place = CliRunner(charset="latin-1"), f"--data-dir={tmp_path}"
    for command in (["keys", "create"], ["audit", "export"]):
        done = terminal.invoke(main, [*command, place])
        assert done.exit_code == 0, done.exception
    row = json.loads(done.stdout_bytes.decode("utf-8").splitlines()[1])
    assert row["entry"]["caller"] == "Zo\xeb \u65e5"


def test_no_statement_changes_or_removes_a_row(log: Database) -> None:
    with log.reading() as connection:
        for statement in (
            "UPDATE audit_log SET entry = '{}' WHERE id = 1",
            "UPDATE audit_chain SET hash = sha256(hash)",
            "DELETE FROM audit_log WHERE id = 9",
            "DELETE FROM audit_chain WHERE position = 9",
            "TRUNCATE audit_log",
            "TRUNCATE audit_chain",
            "INSERT INTO audit_anchors (position, hash) SELECT position, hash FROM audit_chain"
            " WHERE position = 4",
            "SELECT prune_audit(4, '{}')",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
                connection.execute(statement)
    assert verify_table(log, {}).rows == ROWS


def test_a_change_without_its_row_is_rolled_back(database: Database) -> None:
    tamper(database, "ALTER TABLE audit_log ADD CHECK (entry NOT LIKE '%unwritable%')")
    row = trail("unwritable")
    with (
        pytest.raises(psycopg.errors.CheckViolation),
        database.recording(row).transaction() as connection,
    ):
        collections.create(connection, "staff", "6.1")
    assert not row.written
    with database.reading() as connection:
        assert collections.page(connection, after=0, limit=9) == []


def test_a_change_that_is_rolled_back_has_no_row(log: Database) -> None:
    row = trail("rolled back")
    with (
        pytest.raises(psycopg.errors.UniqueViolation),
        log.recording(row).transaction() as connection,
    ):
        connection.execute("INSERT INTO secrets VALUES ('audit', '')")
    assert row.is_due
    assert verify_table(log, {}).rows == ROWS


def test_rows_that_wait_are_reported_and_chained_in_the_order_of_commits(log: Database) -> None:
    with log.transaction() as slow:
        audit.write(slow, trail("begun first").text())  # holds the chain until it is committed
        audit.write_quickly(log, trail("committed first").text())
        assert verify_table(log, {}) == Verified(ROWS, head(log), waiting=1)
    audit_upkeep.chain_all(log)
    last = [entry["request"] for entry in entries(log)][-2:]
    assert last == ["begun first", "committed first"]
    assert verify_table(log, {}).waiting == 0


def test_old_rows_are_removed_and_the_rest_is_still_verifiable(database: Database) -> None:
    for number in range(5):
        old = trail(f"old {number}", time="2020-01-01T00:00:00.000000+00:00")
        audit.write_quickly(database, old.text())
    kept_elsewhere = head(database)
    for number in range(3):
        audit.write_quickly(database, trail(f"new {number}").text())
    known = head(database)
    audit_upkeep.prune(database, 30)
    rows = [link.position for link in audit_reading.links(database, 0)]
    assert rows == [6, 7, 8, 9]
    assert entries(database)[-1]["operation"] == "PruneAuditLog"
    assert entries(database)[-1]["through"] == "5"
    for place in (known, kept_elsewhere):
        assert verify_table(database, {place.position: place.hash}).rows == 4
    assert verify_file(exported(database), {known.position: known.hash}).rows == 4
    assert "cannot be compared" in broken(lambda: verify_table(database, {2: bytes(32)}))
    audit_upkeep.prune(database, 30)
    assert head(database).position == 9
    tamper(database, "DELETE FROM audit_chain WHERE position = 6")
    assert broken(lambda: verify_table(database, {})).startswith("Row 6 was removed")


def test_old_rows_are_removed_although_newer_ones_are_chained_before_them(
    database: Database,
) -> None:
    for time_ in ("2020-01-01", "2020-01-02", "2999-01-01", "2020-01-03"):
        row = trail(time_, time=f"{time_}T00:00:00.000000+00:00")
        audit.write_quickly(database, row.text())
    audit_upkeep.prune(database, 30)
    assert [entry["request"] for entry in entries(database)][:2] == ["2999-01-01", "2020-01-03"]
    assert verify_table(database, {}).rows == 3


def test_writers_that_are_killed_leave_a_row_for_each_change_and_an_intact_chain(
    database: Database, database_url: str
) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, database_url, f"writer-{number}"],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PGAPPNAME": "killed"},
        )
        for number in range(4)
    ]
    acknowledged: list[str] = []

    def read(writer: subprocess.Popen[str]) -> None:
        assert writer.stdout
        acknowledged.extend(line.strip() for line in writer.stdout)

    readers = [threading.Thread(target=read, args=(writer,)) for writer in writers]
    for reader in readers:
        reader.start()
    for writer in writers:
        seen = len(acknowledged)
        while len(acknowledged) < seen + 60:
            assert writer.poll() is None
            time.sleep(0.01)
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
    for reader, writer in zip(readers, writers, strict=True):
        reader.join()
        assert writer.stdout
        writer.stdout.close()
    connected = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'killed'"
    with database.reading() as connection:
        # Postgres completes what it has received before it notices that a client is gone.
        while connection.execute(connected).fetchone():
            time.sleep(0.01)
    audit_upkeep.chain_all(database)
    with database.reading() as connection:
        made = {row.collection_id for row in collections.page(connection, after=0, limit=10**6)}
    noted = [entry["request"] for entry in entries(database)]
    assert len(noted) == len(set(noted))
    assert set(acknowledged) <= made == set(noted)
    assert verify_table(database, {}) == Verified(len(noted), head(database))


@pytest.fixture
def separated(database: Database, database_url: str) -> Iterator[str]:
    """Return the URL of a role that may only do what docs/audit.md grants to the service's role."""
    page = (Path(__file__).parents[2] / "docs" / "audit.md").read_text()
    blocks = [part.split("```", 1)[0] for part in page.split("```sql\n")[1:]]
    assert blocks[1] == Path(str(schema.__file__)).with_name("separate_audit.sql").read_text()
    with psycopg.connect(database_url, autocommit=True) as administrator:
        administrator.execute("CREATE ROLE facedex LOGIN")
        administrator.execute("GRANT USAGE, CREATE ON SCHEMA public TO facedex")
        administrator.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO facedex")
        administrator.execute("".join(blocks))
        yield psycopg.conninfo.make_conninfo(database_url, user="facedex")
        for role in ("facedex", "facedex_audit", "auditor"):
            administrator.execute(f"DROP OWNED BY {role} CASCADE")
            administrator.execute(f"DROP ROLE {role}")


def test_a_separate_owner_leaves_the_service_only_the_right_to_add_rows(
    separated: str, database: Database
) -> None:
    service = Database(separated)
    try:
        with service.recording(trail("a change")).transaction() as connection:
            collections.create(connection, "staff", "6.1")
        old = trail("old", time="2020-01-01T00:00:00.000000+00:00")
        audit.write_quickly(service, old.text())
        assert service.audit_secret == database.audit_secret
        with service.reading() as connection:
            for statement in (
                "UPDATE audit_log SET entry = ''",
                "DELETE FROM audit_log",
                "TRUNCATE audit_log",
                "INSERT INTO audit_chain VALUES (3, 3, '')",
                "DELETE FROM audit_queue",
                "ALTER TABLE audit_log DISABLE TRIGGER ALL",
                "DROP TABLE audit_log",
                # The time of a row is the service's own word; that of an earlier one is not.
                "SELECT prune_audit(2, '{}')",
                "CREATE OR REPLACE FUNCTION chain_audit(most integer) RETURNS integer"
                " LANGUAGE sql AS 'SELECT 0'",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement)
        audit_upkeep.chain_all(service)
        assert schema.migrate(service) == []
    finally:
        service.close()
    assert verify_table(database, {}).rows == 2


def test_an_auditor_reads_and_verifies_and_changes_nothing(separated: str, log: Database) -> None:
    url = psycopg.conninfo.make_conninfo(separated, user="auditor")
    with log.transaction() as connection:
        collections.create(connection, "staff", "6.1")
    name = audit.Names(log.audit_secret).collection("us-east-1", "staff")
    audit.write_quickly(log, trail("about staff", collection=name).text())
    place = head(log)
    verified = facedex("audit", "verify", f"--database-url={url}", "--head", str(place))
    assert verified.stdout == f"{ROWS + 1} rows are intact; the head is {place}\n", verified.stderr
    printed = facedex("audit", "head", f"--database-url={url}").stdout
    assert printed == f"{place}\n"
    command = ("audit", "export", f"--database-url={url}", "--collection=staff", "--format=csv")
    table = facedex(*command, "--region=us-east-1").stdout.splitlines()
    assert len(table) == 2
    assert "about staff" in table[1]
    assert ",staff," in table[1]
    with psycopg.connect(url) as auditor, pytest.raises(psycopg.errors.InsufficientPrivilege):
        auditor.execute("INSERT INTO audit_log (entry) VALUES ('{}')")


def test_a_database_without_an_audit_log_is_named_as_such(database_url: str) -> None:
    done = facedex("audit", "verify", f"--database-url={database_url}")
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: The database has no audit log")


def test_a_database_of_an_earlier_release_gets_an_empty_log(database_url: str) -> None:
    database = Database(database_url)
    try:
        with database.transaction() as connection:
            for name, statements in schema._migrations():
                if name < "0014":
                    schema._apply(connection, name, statements, None)
            staff = collections.create(connection, "staff", "6.1")
        assert schema.migrate(database)[0] == "0014_audit.sql"
        assert verify_table(database, {}).rows == 0
        with database.recording(trail("the first")).transaction() as connection:
            assert collections.find(connection, "staff") == staff
        assert verify_table(database, {}).rows == 1
    finally:
        database.close()


def test_rows_cause_no_rewriting_of_tables(log: Database) -> None:
    with log.reading() as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
        removed = {table.name: table.removed for table in erasing.list_tables(connection)}
        pending = {table.name for table in erasing.find_pending(connection)}
    assert removed["audit_queue"] > 0
    assert not any(name.startswith("audit_") for name in pending)
