"""Searches through boto3 of a small and of a large collection."""

from __future__ import annotations

from typing import Any, Final

from tests.bench.galleries.filling import BATCH, add
from tests.bench.galleries.people import LIMIT, batches
from tests.bench.galleries.subject import NAME, Subject
from tests.bench.galleries.timing import median, ms
from tests.bench.measuring import side_by_side

_SMALL: Final = "few"
_FEW: Final = 1000


def measure(subject: Subject, rounds: int) -> list[str]:
    """Return the lines of the report."""
    client, photo = subject.client, subject.photo
    client.create_collection(CollectionId=_SMALL)
    drawn = batches(subject.people(seed=3), _FEW, BATCH)
    some = add(subject.product.database_url, _SMALL, drawn)
    for name in (NAME, _SMALL):
        client.index_faces(CollectionId=name, Image={"Bytes": photo})
    subject.wait_for_server()
    options: dict[str, Any] = {"MaxFaces": LIMIT, "FaceMatchThreshold": 99.0}
    turn = iter(range(10**9))

    def ask_few() -> None:
        face_id = some[next(turn) % len(some)]
        client.search_faces(CollectionId=_SMALL, FaceId=str(face_id), **options)

    def show(name: str) -> None:
        answer = client.search_faces_by_image(CollectionId=name, Image={"Bytes": photo}, **options)
        assert answer["FaceMatches"]

    def describe() -> None:
        client.describe_collection(CollectionId=NAME)

    # In turns, so that all share what else the machine does.
    large, small, large_photo, small_photo, least = map(
        sorted,
        side_by_side(
            [
                lambda: subject.ask(next(turn)),
                ask_few,
                lambda: show(NAME),
                lambda: show(_SMALL),
                describe,
            ],
            rounds=rounds,
        ),
    )
    return [
        f"SearchFaces through boto3: {ms(large)}; the same among {_FEW:,}: {ms(small)};"
        f" DescribeCollection: {ms(least)}",
        f"SearchFacesByImage through boto3: {ms(large_photo)}; the same among {_FEW:,}:"
        f" {ms(small_photo)}: {median(large_photo) / median(small_photo):.2f} x",
    ]
