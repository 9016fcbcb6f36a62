"""Register one photo of each person, then recognise a probe photo.

python examples/register_and_recognise.py ann.jpg bob.jpg -- door.jpg
"""

from __future__ import annotations

import sys
from pathlib import Path

import boto3

COLLECTION = "friends"


def main(photos: list[Path], probe: Path) -> int:
    """Print who is on the probe photo; return 1 if no registered person is."""
    rekognition = boto3.client("rekognition")
    if COLLECTION not in rekognition.list_collections()["CollectionIds"]:
        rekognition.create_collection(CollectionId=COLLECTION)
    for photo in photos:
        indexed = rekognition.index_faces(
            CollectionId=COLLECTION,
            Image={"Bytes": photo.read_bytes()},
            ExternalImageId=photo.stem,  # letters, digits and _.-: only
            MaxFaces=1,  # the largest face
        )
        if not indexed["FaceRecords"]:
            print(f"{photo.name}: no face that is good enough to register")

    found = rekognition.search_faces_by_image(
        CollectionId=COLLECTION, Image={"Bytes": probe.read_bytes()}, FaceMatchThreshold=99
    )
    for match in found["FaceMatches"]:
        print(f"{probe.name}: {match['Face']['ExternalImageId']} ({match['Similarity']:.3f})")
    return 0 if found["FaceMatches"] else 1


if __name__ == "__main__":
    *names, separator, last = sys.argv[1:] if len(sys.argv) > 3 else ["", "", ""]
    if separator != "--":
        sys.exit(__doc__)
    sys.exit(main([Path(name) for name in names], Path(last)))
