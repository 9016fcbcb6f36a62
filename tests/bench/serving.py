"""A product of a benchmark's own, on a new data directory."""

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
        database_url: of its embedded Postgres.
    """

    server: Server
    database_url: str

    def client(self, service: str) -> Any:
        """An unmodified boto3 client that talks to it."""
        return self.server.client(service)


@contextmanager
def serving(**environment: str) -> Iterator[Product]:
    """Start the product with these settings, and end it."""
    with tempfile.TemporaryDirectory(prefix="facedex-bench-") as folder:
        directory = Path(folder, "data")
        server = Server(directory, **environment)
        try:
            yield Product(server, Postgres(directory).url)
        finally:
            server.stop()
