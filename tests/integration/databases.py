"""Databases of a test's own on the shared Postgres."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import psycopg

from facedex_local.postgres.cluster import Postgres


@contextmanager
def new_database(postgres: Postgres) -> Iterator[str]:
    """Yield the connection string of a new, empty database; remove it at the end."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield psycopg.conninfo.make_conninfo(postgres.url, dbname=name)
    end = time.monotonic() + 60
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        while True:
            try:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
            except psycopg.errors.ObjectInUse:  # Postgres waits five seconds for ended sessions
                assert time.monotonic() < end
            else:
                return
