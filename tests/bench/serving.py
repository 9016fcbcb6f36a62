"""A server for a benchmark, on a new data directory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facedex_local.postgres.cluster import Postgres
from tests.conftest import Server


@dataclass(frozen=True)
class Product:
    """``facedex up``, running.

    Attributes:
        database_url: connection string of its embedded Postgres.
    """

    server: Server
    database_url: str

    def client(self, service: str) -> Any:
        """Return an unmodified boto3 client of the server."""
        return self.server.client(service)


@contextmanager
def serving(**environment: str) -> Iterator[Product]:
    """Run the server with these settings while the block runs."""
    with tempfile.TemporaryDirectory(prefix="facedex-bench-") as folder:
        directory = Path(folder, "data")
        server = Server(directory, **environment)
        try:
            yield Product(server, Postgres(directory).url)
        finally:
            server.stop()
