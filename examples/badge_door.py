"""Open a door for the people of a collection: exit status 0 opens it, 1 keeps it shut.

python examples/badge_door.py staff camera.jpg

100 - Similarity is the expected number of false matches in 10,000 comparisons of different people.
At a threshold of 99 and with 100 people in the collection, a stranger is let in about once in 100
attempts: a larger collection needs a higher threshold.
"""

from __future__ import annotations

import sys
from pathlib import Path

import boto3
from botocore.exceptions import ClientError

THRESHOLD = 99.0


def decide(collection: str, photo: bytes) -> tuple[bool, str]:
    """Return whether the door opens, and the reason for the log."""
    rekognition = boto3.client("rekognition")
    try:
        found = rekognition.search_faces_by_image(
            CollectionId=collection,
            Image={"Bytes": photo},
            FaceMatchThreshold=THRESHOLD,
            MaxFaces=1,
            QualityFilter="MEDIUM",  # a dark or blurred face resembles too many people
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "InvalidParameterException":
            raise
        return False, error.response["Error"]["Message"]  # no face in the photo
    if not found["FaceMatches"]:
        return False, "no match"
    best = found["FaceMatches"][0]
    return True, f"{best['Face']['ExternalImageId']} ({best['Similarity']:.3f})"


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    opened, reason = decide(sys.argv[1], Path(sys.argv[2]).read_bytes())
    print("open:" if opened else "shut:", reason)
    sys.exit(not opened)
