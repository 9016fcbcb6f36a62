"""Verification finds the first row of the audit log that was tampered with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from facedex.store import audit
from facedex.store.audit_reading import Filter, Place, link_hash
from facedex.store.database import Database
from facedex_cli.auditing.verifying import verify_file, verify_table
from tests.integration.audit_rows import broken, exported, facedex, filled, head, tamper, trail


@pytest.fixture
def log(database: Database) -> Database:
    """Return a database with a few rows."""
    return filled(database)


TAMPERING = {
    "changed entry": (
        ["UPDATE audit_log SET entry = replace(entry, 'request 3', 'request 8') WHERE id = 4"],
        "Row 4 was changed (id 4): its hash is not that of its entry and of the row before it.",
    ),
    "changed hash": (
        ["UPDATE audit_chain SET hash = sha256(hash) WHERE position = 6"],
        "Row 6 was changed (id 6): its hash is not that of its entry and of the row before it.",
    ),
    "removed entry": (
        ["DELETE FROM audit_log WHERE id = 5"],
        "The entry of row 5 was removed (id 5).",
    ),
    "removed row": (
        ["DELETE FROM audit_log WHERE id = 5", "DELETE FROM audit_chain WHERE position = 5"],
        "Row 5 was removed: row 4 is followed by row 6.",
    ),
    "removed and closed up": (
        [
            "DELETE FROM audit_chain WHERE position = 5",
            "DELETE FROM audit_log WHERE id = 5",
            "UPDATE audit_chain SET position = position - 1 WHERE position > 5",
        ],
        "Row 5 was changed (id 6): its hash is not that of its entry and of the row before it.",
    ),
    "swapped entries": (
        [
            "UPDATE audit_log SET entry = (SELECT entry FROM audit_log AS other"
            " WHERE other.id = 9 - audit_log.id) WHERE id IN (2, 7)"
        ],
        "Row 2 was changed (id 2): its hash is not that of its entry and of the row before it.",
    ),
    "swapped rows": (
        ["UPDATE audit_chain SET id = 9 - id WHERE id IN (2, 7)"],
        "Row 2 was changed (id 7): its hash is not that of its entry and of the row before it.",
    ),
    "removed link": (
        ["DELETE FROM audit_chain WHERE position = 9"],
        "The row with the id 9 has no place in the chain and is not about to get one: its link was"
        " removed.",
    ),
    "removed first row": (
        ["DELETE FROM audit_log WHERE id = 1", "DELETE FROM audit_chain WHERE position = 1"],
        "Row 1 was removed: row 0 is followed by row 2.",
    ),
    "removed first rows with an anchor": (
        [
            "INSERT INTO audit_anchors SELECT position, hash FROM audit_chain WHERE position = 3",
            "DELETE FROM audit_log WHERE id <= 3",
            "DELETE FROM audit_chain WHERE position <= 3",
        ],
        "Row 3 was removed, and no later row notes that it was removed because of its age.",
    ),
}


@pytest.mark.parametrize("kind", TAMPERING)
def test_tampering_with_the_table_is_found(log: Database, kind: str) -> None:
    statements, sentence = TAMPERING[kind]
    tamper(log, *statements)
    assert broken(lambda: verify_table(log, {})) == sentence


def test_removal_of_the_last_rows_is_found_with_a_known_head(log: Database) -> None:
    known = head(log)
    tamper(log, "DELETE FROM audit_log WHERE id > 7", "DELETE FROM audit_chain WHERE position > 7")
    assert verify_table(log, {}).rows == 7
    sentence = "Row 8 was removed: the log ends at row 7, and its known head is row 9."
    assert broken(lambda: verify_table(log, {known.position: known.hash})) == sentence
    for number in range(3):
        audit.write_quickly(log, trail(f"later {number}").text())
    assert broken(lambda: verify_table(log, {known.position: known.hash})).startswith(
        "Row 9 is not the known head"
    )


def changed(line: str, **members: Any) -> str:
    row = json.loads(line)
    row["entry"] |= members
    return json.dumps(row)


def test_tampering_with_an_exported_file_is_found(log: Database) -> None:
    lines = exported(log)
    known = head(log)
    assert verify_file([json.dumps(json.loads(line), indent=None) for line in lines], {}).rows == 9
    for edited, sentence in (
        ([*lines[:3], changed(lines[3], request="other"), *lines[4:]], "Row 3 was changed"),
        ([*lines[:3], *lines[4:]], "Row 3 was removed: row 2 is followed by row 4."),
        ([*lines[:3], lines[4], lines[3], *lines[5:]], "Row 3 was removed"),
        (lines[:-2], "Row 8 was removed: the file ends at row 7, and its first line names row 9."),
        (lines[1:], "The file is not an export"),
        ([*lines, "{"], "Line 11 of the file is not a row"),
        ([*lines, lines[9].replace('"position": 9', '"position": 1e999')], "Line 11 of the file"),
        ([*lines[:9], changed(lines[9], request="\ud800")], "Line 10 of the file is not a row"),
        ([*lines, "[" * 100_000], "Line 11 of the file is not a row"),
        (["[" * 100_000], "The file is not an export"),
    ):
        assert broken(lambda edited=edited: verify_file(edited, {})).startswith(sentence)  # type: ignore[misc]
    other = {known.position: bytes(32)}
    assert broken(lambda: verify_file(lines, other)).startswith("Row 9 is not the known head")


@pytest.mark.parametrize(
    "entry",
    [
        '{"time": "yesterday"}',
        '{"time": "2026-01-31T09:30:00"}',
        '{"time": 5}',
        '{"faces": 5, "collection": []}',
    ],
)
def test_a_row_of_another_form_is_exported_whatever_is_asked_for(
    log: Database, database_url: str, entry: str
) -> None:
    tamper(log, f"UPDATE audit_log SET entry = '{entry}' WHERE id = 4")
    wanted = ["--since=2000-01-01", "--face=8c6f2c1e-2f7b-4e0a-9d3e-0f6b7f1b3c55"]
    for form in ("jsonl", "csv"):
        options = [*wanted, f"--format={form}", f"--database-url={database_url}"]
        done = facedex("audit", "export", *options)
        assert done.exit_code == 0, done.stderr
        assert done.stderr == "1 row\n"
        if form == "jsonl":
            assert json.loads(done.stdout.splitlines()[1])["entry"] == json.loads(entry)


@pytest.mark.parametrize("entry", ["PruneAuditLog", '["PruneAuditLog"]'])
def test_an_entry_of_another_form_does_not_note_a_removal(entry: str) -> None:
    before = Place(1, bytes(32))
    after = Place(2, link_hash(before.hash, 2, 2, entry))
    header = {"facedex_audit": 1, "complete": True, "start": str(before), "head": str(after)}
    row = {"position": 2, "id": 2, "previous": before.hash.hex(), "hash": after.hash.hex()}
    lines = [json.dumps(header), json.dumps({**row, "entry": entry})]
    assert broken(lambda: verify_file(lines, {})).startswith("Row 1 was removed, and no later row")


def test_a_selection_can_be_verified_and_names_its_gaps(log: Database) -> None:
    face = "8c6f2c1e-2f7b-4e0a-9d3e-0f6b7f1b3c55"
    for number in range(4):
        row = trail(f"with a face {number}")
        row.touch([face] if number != 2 else [])
        audit.write_quickly(log, row.text())
    lines = exported(log, Filter(face=face))
    assert [json.loads(line)["position"] for line in lines[1:]] == [10, 11, 13]
    assert verify_file(lines, {}).gaps == 2
    edited = [*lines[:2], changed(lines[2], outcome="denied"), lines[3]]
    assert broken(lambda: verify_file(edited, {})).startswith("Row 11 was changed")


def test_a_known_head_is_compared_with_a_selection_or_reported(log: Database) -> None:
    face = "8c6f2c1e-2f7b-4e0a-9d3e-0f6b7f1b3c55"
    before, row = head(log), trail("with a face")
    row.touch([face])
    audit.write_quickly(log, row.text())
    after = head(log)
    lines = exported(log, Filter(face=face))
    assert verify_file(lines, {each.position: each.hash for each in (before, after)}).rows == 1
    for place in (before, after):
        sentence = broken(lambda place=place: verify_file(lines, {place.position: bytes(32)}))  # type: ignore[misc]
        assert sentence.startswith(f"Row {place.position} is not the known head")
    assert broken(lambda: verify_file(lines, {3: bytes(32)})) == (
        "The known head at row 3 cannot be compared: the file is a selection without that row."
    )


def test_known_heads_that_differ_at_one_row_are_reported(
    log: Database, database_url: str, tmp_path: Path
) -> None:
    right = head(log)
    file = tmp_path / "audit.jsonl"
    facedex("audit", "export", f"--output={file}", f"--database-url={database_url}")
    wrong = f"--head={right.position} {bytes(32).hex()}"
    for heads in ([wrong, f"--head={right}"], [f"--head={right}", wrong]):
        done = facedex("audit", "verify", str(file), *heads)
        assert done.exit_code == 1
        assert done.stderr.startswith(f"Error: The known heads at row {right.position} differ")
    done = facedex("audit", "verify", str(file), *[f"--head={right}"] * 2)
    assert done.exit_code == 0


def test_commands_report_broken_rows_with_the_exit_status(
    log: Database, database_url: str, tmp_path: Path
) -> None:
    tamper(log, "UPDATE audit_log SET entry = '{}' WHERE id = 4")
    file = tmp_path / "audit.jsonl"
    assert facedex("audit", "export", f"--output={file}", f"--database-url={database_url}").stderr
    for arguments in ([str(file)], [f"--database-url={database_url}"]):
        done = facedex("audit", "verify", *arguments)
        assert done.exit_code == 1
        assert done.stdout == ""
        assert done.stderr.startswith("Error: Row 4 was changed (id 4)")
        assert done.stderr.count("\n") == 1
