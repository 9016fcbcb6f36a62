"""Video files, and search jobs on them through real clients."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
from PIL import Image, ImageOps

from tests.media.making import film, steady

if TYPE_CHECKING:
    from tests.conftest import Server

PATIENCE = 480.0  # seconds; a loaded machine is slow
ROLE = "arn:aws:iam::123456789012:role/AmazonRekognition"


def moving(
    portraits: dict[str, bytes],
    *cast: str,
    seconds: float = 3,
    rate: int = 10,
    codec_options: Mapping[str, str] | None = None,
    container: str = "mp4",
    container_options: Mapping[str, str] | None = None,
) -> bytes:
    """Write a video of 640 x 360 pixels in which portraits move right and left, side by side."""
    faces = [
        np.asarray(ImageOps.fit(Image.open(io.BytesIO(portraits[name])).convert("RGB"), (200, 240)))
        for name in cast
    ]

    def picture(number: int) -> Any:
        pixels = np.full((360, 640, 3), 128, np.uint8)
        for place, face in enumerate(faces):
            left = 10 + 310 * place + 2 * min(number % 100, 100 - number % 100)
            pixels[40:280, left : left + 200] = face
        return pixels

    times = steady(round(seconds * rate), rate)
    return film(
        times,
        picture,
        rate=rate,
        codec_options=codec_options,
        container=container,
        container_options=container_options,
    )


class Studio:
    """A bucket with video files and a collection of portraits."""

    def __init__(self, server: Server, portraits: dict[str, bytes]) -> None:
        self.server = server
        self.rekognition, self.s3 = server.client("rekognition"), server.client("s3")
        self.name = f"films-{uuid4().hex}"
        self.s3.create_bucket(Bucket=self.name)
        self.rekognition.create_collection(CollectionId=self.name)
        for key, content in portraits.items():
            self.rekognition.index_faces(
                CollectionId=self.name, Image={"Bytes": content}, ExternalImageId=key, MaxFaces=1
            )

    def put(self, key: str, content: bytes) -> dict[str, Any]:
        """Store a video file, and return the Video member that names it."""
        self.s3.put_object(Bucket=self.name, Key=key, Body=content)
        return {"S3Object": {"Bucket": self.name, "Name": key}}

    def start(self, video: dict[str, Any], **members: Any) -> str:
        answer = self.rekognition.start_face_search(
            **{"Video": video, "CollectionId": self.name, **members}
        )
        return str(answer["JobId"])

    def wait(self, job_id: str, operation: str = "get_face_search") -> Any:
        """Wait for the end of a job, and return its first page."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            answer = getattr(self.rekognition, operation)(JobId=job_id)
            if answer["JobStatus"] != "IN_PROGRESS":
                return answer
            time.sleep(0.1)
        raise AssertionError(f"The job {job_id} did not end.")


def names(persons: Any) -> dict[int, set[str]]:
    """Return the matching name of each person in an answer, by the person's index."""
    found: dict[int, set[str]] = {}
    for each in persons:
        matches = {match["Face"]["ExternalImageId"] for match in each.get("FaceMatches", ())}
        found.setdefault(each["Person"]["Index"], set()).update(matches)
    return found
