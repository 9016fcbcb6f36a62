"""IndexFaces of a 640x480 portrait through boto3, compared with plain ``face_recognition``."""

from __future__ import annotations

import io
from itertools import count

import numpy as np
from PIL import Image

from tests.bench.measuring import milliseconds, portrait, ratio, report, side_by_side
from tests.bench.peers import Recipe
from tests.bench.serving import serving


def main() -> None:
    photo, recipe, names = portrait(), Recipe(), count()

    def peer(upsampled: int) -> None:
        assert recipe.describe(np.asarray(Image.open(io.BytesIO(photo))), upsampled)

    with serving() as server:
        client = server.client("rekognition")
        client.create_collection(CollectionId="bench")

        def ours() -> None:
            answer = client.index_faces(
                # A new name each time, so that each call stores a face.
                CollectionId="bench",
                Image={"Bytes": photo},
                ExternalImageId=str(next(names)),
            )
            assert len(answer["FaceRecords"]) == 1

        plain, usual, indexed = side_by_side([lambda: peer(0), lambda: peer(1), ours], rounds=30)
    report(
        "IndexFaces of a 640x480 portrait through boto3",
        f"recipe without upsampling {milliseconds(plain)}",
        f"recipe as face_recognition's defaults have it, upsampled once {milliseconds(usual)}",
        f"ours {milliseconds(indexed)}: {ratio(plain, indexed):.1f} x and"
        f" {ratio(usual, indexed):.1f} x faster",
    )


if __name__ == "__main__":
    main()
