"""What a request pays for its row in the audit log, and how fast the log is verified."""

from __future__ import annotations

import base64
import json
import os
import tempfile
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from facedex import settings
from facedex.runtime import services
from facedex.store import audit, schema
from facedex.store.audit import Trail
from facedex.store.database import Database
from facedex_cli.auditing.verifying import verify_table
from facedex_functions.front_door.handler import lambda_handler
from facedex_local.http.gateway import Context
from facedex_local.postgres.cluster import Postgres
from facedex_models import installing
from tests.bench.measuring import best, portrait, report, side_by_side

ROUNDS = 300
PHOTOS = 40
ROWS = 20_000
_CONTEXT = Context("facedex-front_door", 29, 1769, "bench")


def ask(operation: str, request: dict[str, Any]) -> dict[str, Any]:
    """Send a request to the front door in this process."""
    event = {
        "resource": "/",
        "httpMethod": "POST",
        "path": "/",
        "headers": {"X-Amz-Target": f"RekognitionService.{operation}"},
        "body": json.dumps(request),
        "requestContext": {"requestId": "r", "identity": {"sourceIp": "127.0.0.1"}},
    }
    answer = lambda_handler(event, _CONTEXT)
    assert answer["statusCode"] == 200, answer["body"]
    found: dict[str, Any] = json.loads(answer["body"])
    return found


def at(level: str, act: Callable[[], object]) -> Callable[[], object]:
    """Return a function that acts with a setting of the log."""

    def run() -> object:
        os.environ["FACEDEX_AUDIT"] = level
        settings.settings.cache_clear()
        return act()

    return run


def compare(name: str, act: Callable[[], object], *, rounds: int, level: str) -> str:
    """Return the times of a request with and without its row, measured in turns."""
    without, with_row = side_by_side((at("off", act), at(level, act)), rounds=rounds)
    return (
        f"{name}: median {median(without)} without, {median(with_row)} with its row;"
        f" best {best(without)} and {best(with_row)}"
    )


def median(times: list[float]) -> str:
    """Return the median in milliseconds, with two decimals."""
    return f"{1000 * sorted(times)[len(times) // 2]:.2f} ms"


def fill(database: Database) -> float:
    """Add rows, each chained at once; return the bytes of a row with its link."""
    for number in range(ROWS):
        row = Trail({"time": audit.timestamp(), "request": str(number), "caller": "A" * 20})
        row.touch([f"8c6f2c1e-2f7b-4e0a-9d3e-{number:012x}"], collection="0" * 32)
        audit.write_quickly(database, row.text())
    with database.reading() as connection:
        size = connection.execute(
            "SELECT pg_total_relation_size('audit_log') + pg_total_relation_size('audit_chain')"
            " AS bytes, (SELECT count(*) FROM audit_chain) AS rows"
        ).fetchone()
    assert size is not None
    return float(size.bytes / size.rows)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        postgres = Postgres(Path(folder))
        os.environ |= {
            "FACEDEX_DATABASE_URL": postgres.start(),
            "FACEDEX_MODELS": str(installing.pull().parent),
            "FACEDEX_AUTH": "none",
        }
        try:
            schema.migrate(services.database())
            report("Audit log: one client, the embedded Postgres", *measure())
        finally:
            services.database().close()
            postgres.stop()


def measure() -> list[str]:
    """Return the figures."""
    ask("CreateCollection", {"CollectionId": "bench"})
    numbers = count()
    photo = portrait()

    def create_user() -> None:
        ask("CreateUser", {"CollectionId": "bench", "UserId": f"user-{next(numbers)}"})

    def index_faces() -> None:
        name = f"photo-{next(numbers)}"
        ask("IndexFaces", request | {"ExternalImageId": name})

    request = {"CollectionId": "bench", "Image": {"Bytes": base64.b64encode(photo).decode()}}
    lines = [
        compare("CreateUser", create_user, rounds=ROUNDS, level="changes"),
        compare("IndexFaces", index_faces, rounds=PHOTOS, level="changes"),
        compare(
            "DescribeCollection",
            lambda: ask("DescribeCollection", {"CollectionId": "bench"}),
            rounds=ROUNDS,
            level="all",
        ),
    ]
    start = time.perf_counter()
    size = fill(services.database())
    rate = ROWS / (time.perf_counter() - start)
    start = time.perf_counter()
    verified = verify_table(services.database(), {})
    seconds = time.perf_counter() - start
    return [
        *lines,
        f"{rate:.0f} rows a second by one writer, each of {size:.0f} bytes with one face",
        f"{verified.rows} rows verified in {seconds:.1f} s",
    ]


if __name__ == "__main__":
    main()
