"""Outages of a test's database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from facedex_local.postgres.cluster import Postgres


@contextmanager
def database_outage(database_url: str, postgres: Postgres) -> Iterator[None]:
    """Make the database refuse connections while the block runs."""
    name = psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]
    with psycopg.connect(postgres.url, autocommit=True) as connection:

        def allow(answer: str) -> Any:
            return connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {answer}")

        allow("false")
        connection.execute(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = %s",
            (name,),
        )
        try:
            yield
        finally:
            allow("true")
