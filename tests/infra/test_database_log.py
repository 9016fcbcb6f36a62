"""The database's log holds no names, with the parameters of the stack's cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from facedex_local.postgres.cluster import Postgres
from tests.infra.synthesis import Synthesis

_NAMES: Final = ("staff-of-alice", "alice-the-user", "alice-by-parameter", "alice-of-no-uuid")
# Of RDS alone, and those that a session cannot set.
_NOT_OF_A_SESSION: Final = {"rds.force_ssl", "log_connections", "log_disconnections"}
# Postgres's defaults, which the embedded server does not have.
_DEFAULTS: Final = {
    "log_min_messages": "warning",
    "log_min_error_statement": "error",
    "log_error_verbosity": "default",
    "log_parameter_max_length": "-1",
    "log_parameter_max_length_on_error": "0",
}


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    server = Postgres(tmp_path_factory.mktemp("database"))
    server.start()
    yield server
    server.stop()


def _written(postgres: Postgres, parameters: dict[str, str]) -> str:
    """Return what statements that fail, with names in them, leave in the log."""
    start = postgres.log.stat().st_size
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        for name, value in parameters.items():
            connection.execute("SELECT set_config(%s, %s, false)", [name, value])
        connection.execute("CREATE TEMPORARY TABLE named (name text PRIMARY KEY, id uuid)")
        connection.execute("INSERT INTO named VALUES ('staff-of-alice')")
        failing: list[tuple[Any, list[str]]] = [
            ("INSERT INTO named VALUES ('staff-of-alice')", []),
            ("SELECT nothing FROM named WHERE name = 'alice-the-user'", []),
            ("SELECT 1 / (length(%s::text) - length(name) - 4) FROM named", [_NAMES[2]]),
            ("SELECT %s::uuid", [_NAMES[3]]),
        ]
        for statement, values in failing:
            with pytest.raises(psycopg.Error):
                connection.execute(statement, values)
    with suppress(psycopg.OperationalError):
        psycopg.connect(postgres.url, dbname="nowhere").close()
    return Path(postgres.log).read_bytes()[start:].decode()


def test_errors_leave_no_name_in_the_databases_log(default: Synthesis, postgres: Postgres) -> None:
    (group,) = default.resources("AWS::RDS::DBClusterParameterGroup").values()
    parameters = {
        name: value for name, value in group["Parameters"].items() if name not in _NOT_OF_A_SESSION
    }
    usual = _written(postgres, _DEFAULTS | {"log_parameter_max_length_on_error": "-1"})
    assert all(name in usual for name in _NAMES)
    silent = _written(postgres, _DEFAULTS | parameters)
    assert not [name for name in _NAMES if name in silent]
    # Postgres still says what is no statement's error.
    assert 'database "nowhere" does not exist' in silent


def test_exporting_the_log_adds_connections_and_nothing_else(synthesis_of: Any) -> None:
    def parameters(name: str) -> dict[str, str]:
        (group,) = synthesis_of(name).resources("AWS::RDS::DBClusterParameterGroup").values()
        found: dict[str, str] = group["Parameters"]
        return found

    assert parameters("hardened") == parameters("default") | {
        "log_connections": "1",
        "log_disconnections": "1",
    }
