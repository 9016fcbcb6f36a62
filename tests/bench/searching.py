"""SearchFacesByImage among 10,000 faces through boto3, compared with the bare vision pipeline.

The pipeline finds the faces of a photo with their poses and qualities and makes the largest one's
vector. A search asks for no pose and no quality, so it is compared with the pipeline without them
too.
"""

from __future__ import annotations

import sys

from facedex.vision import packs
from facedex.vision.images import decode
from facedex_models import installing
from tests.bench.galleries.filling import fill
from tests.bench.measuring import milliseconds, portrait, ratio, report, side_by_side
from tests.bench.serving import serving


def main(faces: int, threads: int) -> None:
    photo = portrait()
    pack = packs.load(installing.pull(), threads=threads)

    def bare() -> None:
        image = decode(photo)
        pack.embed(image, pack.find(image)[:1])

    def least() -> None:
        image = decode(photo)
        pack.embed(image, pack.detect(image)[:1])

    with serving(FACEDEX_THREADS=str(threads)) as server:
        client = server.client("rekognition")
        client.create_collection(CollectionId="bench")
        client.index_faces(CollectionId="bench", Image={"Bytes": photo})
        fill(server.database_url, "bench", faces, pack.dimension)

        def ours() -> None:
            answer = client.search_faces_by_image(CollectionId="bench", Image={"Bytes": photo})
            assert answer["FaceMatches"]

        # Each pipeline runs after a request, as requests run after each other: directly after the
        # other pipeline it would find its networks in the caches.
        pipeline, first, needed, second = side_by_side([bare, ours, least, ours], rounds=40)
        (described,) = side_by_side(
            [lambda: client.describe_collection(CollectionId="bench")], rounds=40
        )
    searched = first + second
    report(
        f"SearchFacesByImage through boto3, {faces:,} faces, inference threads: {threads}",
        f"bare vision pipeline {milliseconds(pipeline)}, without pose and quality"
        f" {milliseconds(needed)}",
        f"SearchFacesByImage {milliseconds(searched)}: {ratio(searched, pipeline):.2f} x and"
        f" {ratio(searched, needed):.2f} x",
        f"DescribeCollection {milliseconds(described)}",
    )


if __name__ == "__main__":
    for threads in (1, 2):
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000, threads)
