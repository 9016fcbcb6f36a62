"""Records of a stream processor: what Rekognition documents, as observations of people.

https://docs.aws.amazon.com/rekognition/latest/dg/streaming-video-kinesis-output.html
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Observation:
    """Somebody in one frame.

    Attributes:
        name: ExternalImageId of the best match, else its FaceId; empty where nobody matches.
        similarity: of the best match, 0 where nobody matches.
        time: seconds since 1970 when the frame was taken.
    """

    name: str
    similarity: float
    time: float


@dataclass(frozen=True, slots=True)
class Frame:
    """A record: one frame that was analysed.

    Attributes:
        stream: ARN of the video stream, or whatever names the input.
        time: seconds since 1970 when the frame was taken.
        said: the record as it came.
    """

    stream: str
    time: float
    observations: tuple[Observation, ...]
    said: dict[str, Any]


def read(data: bytes) -> Frame | None:
    """The frame that a record is about, or None if it is no such record."""
    try:
        said = json.loads(data)
        video = said.get("InputInformation", {}).get("KinesisVideo", {})
        time = float(video.get("ProducerTimestamp", 0)) + float(
            video.get("FrameOffsetInSeconds", 0)
        )
        faces = said.get("FaceSearchResponse") or ()
        return Frame(
            str(video.get("StreamArn", "")),
            time,
            tuple(_observe(face.get("MatchedFaces") or (), time) for face in faces),
            said,
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
