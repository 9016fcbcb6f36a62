"""What is said of a frame: Rekognition's "Kinesis face recognition record", as JSON.

https://docs.aws.amazon.com/rekognition/latest/dg/streaming-video-kinesis-output-reference.html
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from facedex.api.documents import face_detail, face_document
from facedex.media.decoding import Shot
from facedex.media.watching import Seen
from facedex.store.search import Match

Found = tuple[Seen, list[tuple[Match, float]]]  # with similarities


def frame_record(
    stream_arn: str, shot: Shot, found: Iterable[Found], *, skipped: float = 0.0
) -> bytes:
    """The record of one frame that was looked at.

    Args:
        skipped: seconds of the stream before it that were left out, at most, to be live again.
            Rekognition has no word for that, so it is there only where it is so.
    """
    opening = shot.opening
    return orjson.dumps(
        {
            "InputInformation": {
                "KinesisVideo": {
                    "StreamArn": stream_arn,
                    "FragmentNumber": opening.number,
                    "ServerTimestamp": opening.server_timestamp,
                    "ProducerTimestamp": opening.producer_timestamp,
                    "FrameOffsetInSeconds": round(shot.offset, 3),
                }
            },
            "StreamProcessorInformation": {
                "Status": "RUNNING",
                **({"SkippedSeconds": round(skipped, 3)} if skipped else {}),
            },
            "FaceSearchResponse": [
                {
                    "DetectedFace": face_detail(seen.face),
                    "MatchedFaces": [_match(match, similarity) for match, similarity in matches],
                }
                for seen, matches in found
            ],
        }
    )


def _match(match: Match, similarity: float) -> dict[str, Any]:
    face = {name: value for name, value in face_document(match.face).items() if value is not None}
    return {"Similarity": similarity, "Face": face}
