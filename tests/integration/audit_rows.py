"""Rows of the audit log for tests, and tampering with them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from facedex.store import audit, audit_reading
from facedex.store.audit import Trail
from facedex.store.audit_reading import Filter
from facedex.store.database import Database
from facedex_cli.auditing.exporting import export
from facedex_cli.auditing.verifying import Broken
from facedex_cli.program import main

ROWS = 9


def facedex(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def trail(request: str, *, time: str | None = None, **members: str) -> Trail:
    known = {"time": time or audit.timestamp(), "operation": "DeleteFaces", "request": request}
    return Trail(known | members)


def filled(database: Database) -> Database:
    """Add a few rows to a database's log."""
    for number in range(ROWS):
        audit.write_quickly(database, trail(f"request {number}").text())
    return database


def tamper(database: Database, *statements: str) -> None:
    """Change the tables as a superuser does who switches the triggers off."""
    with database.transaction() as connection:
        connection.execute("SET LOCAL session_replication_role = replica")
        for statement in statements:
            connection.execute(statement)


def exported(database: Database, wanted: Filter | None = None) -> list[str]:
    output = io.StringIO()
    export(database, wanted or Filter(), output, "jsonl")
    return output.getvalue().splitlines()


def head(database: Database) -> audit_reading.Place:
    with database.reading() as connection:
        return audit_reading.head(connection)


def entries(database: Database) -> list[dict[str, Any]]:
    return [json.loads(link.entry or "null") for link in audit_reading.links(database, 0)]


def broken(act: Callable[[], object]) -> str:
    with pytest.raises(Broken) as raised:
        act()
    return str(raised.value)
