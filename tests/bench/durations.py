"""Durations of warm functions that process an image, which Lambda bills.

The handlers get API Gateway's events and use one inference thread, as their memory provides one
core, and a real Postgres. ``infra/costs/measured.toml`` has these figures, rounded up, and
docs/cost.md is computed from them.
"""

from __future__ import annotations

import base64
import importlib
import os
import statistics
import time
from typing import Any

from facedex.api.catalog import OPERATIONS
from facedex_models.installing import models_directory
from facedex_models.manifests import DEFAULT, manifest
from tests.bench.cold_start import rest_event
from tests.bench.galleries.filling import fill
from tests.bench.measuring import milliseconds, portrait, report
from tests.bench.serving import serving

ROUNDS = 40
WARM_UP = 5
FACES = 100_000


def photo(number: int) -> str:
    """Return a portrait with unique bytes, in base64."""
    return base64.b64encode(portrait() + number.to_bytes(4, "big")).decode()


def taken(name: str) -> list[float]:
    """Return the seconds of each call of an operation's handler."""
    handler = importlib.import_module(f"facedex_functions.{OPERATIONS[name].function}.handler")
    times = []
    for number in range(-WARM_UP, ROUNDS):
        event: dict[str, Any] = rest_event(name, "", photo(number + WARM_UP))
        begun = time.perf_counter()
        answer = handler.lambda_handler(event, None)
        if number >= 0:
            times.append(time.perf_counter() - begun)
        assert answer["statusCode"] == 200, answer["body"]
    return times


def main() -> None:
    with serving() as product:
        os.environ |= {
            "FACEDEX_AUTH": "none",
            "FACEDEX_DATABASE_URL": product.database_url,
            "FACEDEX_MODELS": str(models_directory()),
            "FACEDEX_THREADS": "1",
        }
        product.client("rekognition").create_collection(CollectionId="staff")
        few = {name: taken(name) for name in ("IndexFaces", "SearchFacesByImage")}
        fill(product.database_url, "staff", FACES, manifest(DEFAULT).dimension)
        many = taken("SearchFacesByImage")
        from facedex.runtime import services

        services.database().close()
    scan = statistics.median(many) - statistics.median(few["SearchFacesByImage"])
    report(
        "A warm function, one inference thread, 640x480, median",
        *(f"{name:20} {milliseconds(times)}" for name, times in few.items()),
        f"{'SearchFacesByImage':20} {milliseconds(many)} among {FACES:,} faces,"
        f" of which {1000 * scan:.1f} ms are the search",
    )


if __name__ == "__main__":
    main()
