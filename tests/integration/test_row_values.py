"""An error of the database leaves no values of rows in a log."""

from __future__ import annotations

import logging
from uuid import uuid4

import psycopg
import pytest

from facedex.runtime.logs import get_logger, log_failure
from facedex.store.database import Database

TABLE = (
    "CREATE TABLE kept (name text UNIQUE, vector halfvec(3),"
    " CONSTRAINT unlike CHECK (name NOT LIKE 'x%'))"
)


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("INSERT INTO kept VALUES ('x' || %s, '[1,2,3]')", 'violates check constraint "unlike"'),
        ("INSERT INTO kept VALUES (%s), (%s)", 'violates unique constraint "kept_name_key"'),
        ("SELECT %s::text::int", "The database refused a value (SQLSTATE 22P02)."),
    ],
)
def test_a_traceback_names_the_constraint_and_no_values(
    database: Database, statement: str, sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    with database.transaction() as connection:
        connection.execute(TABLE)
    name = uuid4().hex
    with pytest.raises(psycopg.Error) as raised, database.transaction() as connection:
        connection.execute(statement, (name,) * statement.count("%s"))
    log_failure(get_logger(__name__), "A request failed", raised.value)
    (record,) = caplog.records
    text = logging.Formatter().format(record)
    assert "Traceback" in text
    assert sentence in text
    assert name not in text
    assert "[1,2,3]" not in text
