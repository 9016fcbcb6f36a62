"""What a database must have before the schema can be created in it, each with its remedy.

The stack prepares its own database, and the embedded one belongs to this process. A user's own may
lack something, which Postgres would report in the middle of a migration, in words that name no
remedy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from facedex.store.database import Connection
from facedex.store.store_errors import StoreError

# The first version with vectors of half precision.
_PGVECTOR: Final = (0, 7)

_STATE: Final = """
SELECT current_user AS role,
       current_database() AS database,
       current_schema() AS schema,
       current_setting('transaction_read_only')::bool AS read_only,
       coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_create,
       (SELECT extversion FROM pg_extension WHERE extname = 'vector') AS installed,
       (SELECT nspname FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace
        WHERE extname = 'vector') AS installed_in,
       to_regtype('halfvec') IS NOT NULL AS in_path,
       (SELECT default_version FROM pg_available_extensions WHERE name = 'vector') AS available,
       (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
       OR has_database_privilege(current_database(), 'CREATE')
       AND (SELECT bool_or(trusted) FROM pg_available_extension_versions WHERE name = 'vector')
       AS may_install,
       (SELECT tableowner FROM pg_tables
        WHERE schemaname = current_schema() AND tablename = 'schema_migrations'
        AND NOT pg_has_role(tableowner, 'USAGE')) AS owner
"""


def require_prerequisites(connection: Connection) -> None:
    """Check that the role of a connection can create the schema.

    Raises:
        StoreError: if it cannot; the sentence says what an administrator must do.
    """
    state = connection.execute(_STATE).fetchone()
    for broken, sentence in _conditions(state):
        if broken:
            raise StoreError(sentence)


def _conditions(state: Any) -> Iterator[tuple[object, str]]:
    """Yield pairs: whether a condition is broken, and the sentence that says so."""
    role, database, schema = state.role, state.database, state.schema
    yield (
        state.read_only,
        f"The database {database} accepts no changes; connect to its primary server.",
    )
    yield (
        schema is None,
        f"The role {role} has no schema in its search path; create one, such as public.",
    )
    yield (
        state.owner,
        f"The tables of Facedex in the database {database} belong to the role {state.owner};"
        f" connect as that role, or run: GRANT {state.owner} TO {role}",
    )
    yield (
        not state.may_create,
        f"The role {role} may not create tables in the schema {schema}; run as an administrator:"
        f" GRANT USAGE, CREATE ON SCHEMA {schema} TO {role}",
    )
    minimum = ".".join(map(str, _PGVECTOR))
    yield (
        state.installed is None and state.available is None,
        f"The server of the database {database} has no pgvector; install pgvector {minimum} or"
        " newer.",
    )
    yield (
        _is_old(state.installed or state.available),
        f"The database {database} has pgvector {state.installed or state.available}; Facedex needs"
        f" {minimum} or newer. After an update of the server, run: ALTER EXTENSION vector UPDATE",
    )
    yield (
        state.installed is None and not state.may_install,
        f"The database {database} has no extension vector, and the role {role} may not create it;"
        " run as an administrator: CREATE EXTENSION vector",
    )
    yield (
        state.installed is not None and not state.in_path,
        f"The extension vector is in the schema {state.installed_in}, which is not in the search"
        f" path of the role {role}; run as an administrator:"
        f" ALTER ROLE {role} SET search_path = {schema}, {state.installed_in}",
    )


def _is_old(version: str | None) -> bool:
    numbers = tuple(int(number) for number in re.findall(r"\d+", version or ""))
    return bool(numbers) and numbers < _PGVECTOR
