"""Move a collection from Amazon Rekognition: index its original photos again, with their users.

python examples/move_collection.py amazon facedex staff photos/ > faces.csv

The first two arguments are profiles of ~/.aws/config; that of Facedex has its endpoint_url. The
name of a photo is the ExternalImageId of its faces. Each line has an old FaceId and the new one.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError


def at(one: dict[str, float], other: dict[str, float]) -> bool:
    """Return whether the middle of a box is in another box."""
    x = one["Left"] + one["Width"] / 2 - other["Left"]
    y = one["Top"] + one["Height"] / 2 - other["Top"]
    return 0 <= x <= other["Width"] and 0 <= y <= other["Height"]


def main(amazon: Any, facedex: Any, photos: dict[str, Path], **target: str) -> None:
    """Index each photo, delete faces that the old collection does not have, and make the users."""
    facedex.create_collection(**target)
    for page in amazon.get_paginator("list_users").paginate(**target):
        for user in page["Users"]:
            facedex.create_user(**target, UserId=user["UserId"])
    old: dict[str, list[Any]] = {}
    for page in amazon.get_paginator("list_faces").paginate(**target):
        for face in page["Faces"]:
            old.setdefault(face.get("ExternalImageId", ""), []).append(face)
    for name, faces in old.items():
        try:
            image = {"Bytes": photos[name].read_bytes()}
            indexed = facedex.index_faces(**target, Image=image, ExternalImageId=name)
        except (KeyError, ClientError) as error:
            print(f"{name} was not moved: {error!r}", file=sys.stderr)
            continue
        new = {r["Face"]["FaceId"]: r["Face"]["BoundingBox"] for r in indexed["FaceRecords"]}
        for face in faces:
            box, user = face["BoundingBox"], face.get("UserId")
            same = next((key for key in new if at(new[key], box) and at(box, new[key])), "")
            print(face["FaceId"], same, sep=",")
            if new.pop(same, None) and user:
                facedex.associate_faces(**target, UserId=user, FaceIds=[same], UserMatchThreshold=0)
        if new:
            facedex.delete_faces(**target, FaceIds=list(new))


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    services = [boto3.Session(profile_name=each).client("rekognition") for each in sys.argv[1:3]]
    files = {path.stem: path for path in Path(sys.argv[4]).rglob("*") if path.is_file()}
    main(services[0], services[1], files, CollectionId=sys.argv[3])
