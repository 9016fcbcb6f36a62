"""Parsing of a stream processor's records, as Rekognition documents them.

https://docs.aws.amazon.com/rekognition/latest/dg/streaming-video-kinesis-output.html
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Observation:
    """A person in one frame.

    Attributes:
        name: ExternalImageId of the best match, else its FaceId; empty without a match.
        similarity: of the best match; 0 without a match.
        time: time of the frame, in seconds since 1970.
    """

    name: str
    similarity: float
    time: float


@dataclass(frozen=True, slots=True)
class Frame:
    """A record of one analysed frame.

    Attributes:
        stream: ARN of the video stream or of another input.
        time: time of the frame, in seconds since 1970.
        observations: the people in the frame.
        record: the record as a JSON document.
    """

    stream: str
    time: float
    observations: tuple[Observation, ...]
    record: dict[str, Any]


def read(data: bytes) -> Frame | None:
    """Parse a record; return None if it is not a record of a stream processor."""
    try:
        record = json.loads(data)
        video = record.get("InputInformation", {}).get("KinesisVideo", {})
        time = float(video.get("ProducerTimestamp", 0)) + float(
            video.get("FrameOffsetInSeconds", 0)
        )
        faces = record.get("FaceSearchResponse") or ()
        return Frame(
            str(video.get("StreamArn", "")),
            time,
            tuple(_observe(face.get("MatchedFaces") or (), time) for face in faces),
            record,
        )
    except (AttributeError, TypeError, ValueError):
        return None


def _observe(matches: Any, time: float) -> Observation:
    best = max(matches, key=lambda match: float(match.get("Similarity", 0)), default=None)
    if best is None:
        return Observation("", 0.0, time)
    face = best.get("Face", {})
    name = face.get("ExternalImageId") or face.get("FaceId") or "?"
    return Observation(str(name), float(best.get("Similarity", 0)), time)
