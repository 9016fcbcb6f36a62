"""Operations on records through boto3: counts of a million faces, searches among 100,000."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import psycopg
from pgvector import HalfVector

from facedex_models.manifests import DEFAULT, manifest
from tests.bench.galleries.filling import fill
from tests.bench.measuring import report
from tests.bench.serving import Product, serving

COUNTED = 1_000_000
SEARCHED = 100_000
ASSOCIATED = 100
ROUNDS = 100


def times(program: Callable[[], object], rounds: int = ROUNDS, warm_up: int = 5) -> list[float]:
    """Return the seconds of each run."""
    taken = []
    for turn in range(-warm_up, rounds):
        begun = time.perf_counter()
        program()
        if turn >= 0:
            taken.append(time.perf_counter() - begun)
    return taken


def percentiles(taken: Sequence[float]) -> str:
    """Return the 50th and the 99th percentile of times in seconds."""
    cuts = statistics.quantiles(taken, n=100)
    return f"p50 {1000 * cuts[49]:.1f} ms, p99 {1000 * cuts[98]:.1f} ms"


def add_users(database_url: str, collection_id: str, users: int, dimension: int) -> None:
    """Add users with random unit vectors to a collection."""
    drawn = np.random.default_rng(2)
    with psycopg.connect(database_url) as connection:
        (key,) = connection.execute(
            "SELECT collection_key FROM collections WHERE collection_id = %s", (collection_id,)
        ).fetchone() or (None,)
        with connection.cursor().copy(
            "COPY users (collection_key, user_id, vector) FROM STDIN"
        ) as copy:
            for number in range(users):
                vector = drawn.standard_normal(dimension)
                vector /= np.linalg.norm(vector)
                text = HalfVector(vector.astype(np.float32)).to_text()
                copy.write_row((key, f"user-{number}", text))
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE users")


def some_faces(product: Product, collection_id: str, faces: int) -> list[str]:
    """Return a number of FaceIds of a collection."""
    pages = product.client("rekognition").get_paginator("list_faces")
    listed = pages.paginate(CollectionId=collection_id, PaginationConfig={"MaxItems": faces})
    return [face["FaceId"] for page in listed for face in page["Faces"]][:faces]


def associating(client: Any, face_ids: Sequence[str]) -> list[float]:
    """Return the seconds of each association of a hundred faces with a new user."""
    taken = []
    for start in range(0, len(face_ids), ASSOCIATED):
        user = {"CollectionId": "searched", "UserId": f"new-{start}"}
        client.create_user(**user)
        some = list(face_ids[start : start + ASSOCIATED])
        begun = time.perf_counter()
        answer = client.associate_faces(**user, FaceIds=some, UserMatchThreshold=0)
        taken.append(time.perf_counter() - begun)
        assert len(answer["AssociatedFaces"]) == ASSOCIATED
    return taken


def main() -> None:
    dimension = manifest(DEFAULT).dimension
    with serving() as product:
        client = product.client("rekognition")
        for name, size in (("counted", COUNTED), ("searched", SEARCHED)):
            client.create_collection(CollectionId=name)
            fill(product.database_url, name, size, dimension)
        add_users(product.database_url, "searched", SEARCHED, dimension)
        described = times(lambda: client.describe_collection(CollectionId="counted"))
        assert client.describe_collection(CollectionId="counted")["FaceCount"] == COUNTED
        faces = some_faces(product, "searched", 40 * ASSOCIATED)
        probe = {"CollectionId": "searched", "FaceId": faces[0]}
        searched = times(lambda: client.search_faces(**probe))
        users = times(lambda: client.search_users(**probe))
        associated = associating(client, faces)
    report(
        "Operations on records through boto3",
        f"DescribeCollection of {COUNTED:,} faces: {percentiles(described)}",
        f"SearchFaces among {SEARCHED:,} faces: {percentiles(searched)}",
        f"SearchUsers among {SEARCHED:,} users: {percentiles(users)}",
        f"AssociateFaces of {ASSOCIATED} faces: {percentiles(associated)}",
    )


if __name__ == "__main__":
    main()
