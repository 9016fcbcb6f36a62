"""Print who is in a film, and when.

python examples/stored_video.py friends lobby.mp4
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import boto3

BUCKET = "films"


def search(collection: str, film: Path) -> dict[str, list[float]]:
    """Return, by name, the seconds of the film in which each person is seen.

    Raises:
        RuntimeError: the film cannot be read.
    """
    s3, rekognition = boto3.client("s3"), boto3.client("rekognition")
    s3.create_bucket(Bucket=BUCKET)
    s3.upload_file(str(film), BUCKET, film.name)
    job = rekognition.start_face_search(
        CollectionId=collection,
        Video={"S3Object": {"Bucket": BUCKET, "Name": film.name}},
        FaceMatchThreshold=99,
    )["JobId"]

    seen: dict[str, list[float]] = {}
    page = rekognition.get_face_search(JobId=job)
    while page["JobStatus"] == "IN_PROGRESS":
        time.sleep(0.2)
        page = rekognition.get_face_search(JobId=job)
    if page["JobStatus"] == "FAILED":
        raise RuntimeError(page["StatusMessage"])
    while True:
        for person in page["Persons"]:
            for match in person.get("FaceMatches", [])[:1]:
                name = match["Face"]["ExternalImageId"]
                seen.setdefault(name, []).append(person["Timestamp"] / 1000)
        if "NextToken" not in page:
            return seen
        page = rekognition.get_face_search(JobId=job, NextToken=page["NextToken"])


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    for who, seconds in search(sys.argv[1], Path(sys.argv[2])).items():
        print(f"{who}: {min(seconds):.1f} s to {max(seconds):.1f} s, {len(seconds)} times")
