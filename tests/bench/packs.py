"""IndexFaces of a 640x480 portrait through boto3 with each pack of the package index."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from facedex_models import installing
from tests.bench.measuring import best, milliseconds, portrait, ratio, report, side_by_side
from tests.bench.serving import serving

PACKS = ("dlib", "sface", "sface-dlib")
ROUNDS = 40


def main() -> None:
    photo, names = portrait(), count()
    for pack in PACKS:
        installing.pull(pack)
    with serving(FACEDEX_LOADED_PACKS=str(len(PACKS))) as server:
        client = server.client("rekognition")

        def indexing(pack: str) -> Callable[[], None]:
            client.create_collection(CollectionId=pack, Tags={"facedex:pack": pack})

            def index() -> None:
                answer = client.index_faces(
                    # A new name each time, so that each call stores a face.
                    CollectionId=pack,
                    Image={"Bytes": photo},
                    ExternalImageId=str(next(names)),
                )
                assert len(answer["FaceRecords"]) == 1

            return index

        times = side_by_side([indexing(pack) for pack in PACKS], rounds=ROUNDS)
    report(
        "IndexFaces of a 640x480 portrait through boto3, by pack",
        *(
            f"{pack}: {milliseconds(taken)} (best {best(taken)}),"
            f" {ratio(taken, times[0]):.2f} x as long as {PACKS[0]}"
            for pack, taken in zip(PACKS, times, strict=True)
        ),
    )


if __name__ == "__main__":
    main()
