"""The record of a frame: Rekognition's "Kinesis face recognition record", as JSON.

https://docs.aws.amazon.com/rekognition/latest/dg/streaming-video-kinesis-output-reference.html
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from facedex.api.documents import face_document
from facedex.api.face_details import face_detail
from facedex.api.writing import conform
from facedex.media.decoding import Shot
from facedex.media.watching import Seen
from facedex.store.timelines import SimilarFace

MatchedFace = tuple[Seen, list[SimilarFace]]


def frame_record(
    stream_arn: str, shot: Shot, faces: Iterable[MatchedFace], *, skipped: float = 0.0
) -> bytes:
    """Return the record of one frame.

    Args:
        stream_arn: ARN of the video stream.
        shot: the frame.
        faces: the faces in the frame, each with its matches.
        skipped: seconds of the stream, at most, that were skipped before the frame to catch up.
            Rekognition has no such member, so it is present only if something was skipped.
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
                    "DetectedFace": conform("FaceDetail", face_detail(seen.face)),
                    "MatchedFaces": [_match_document(match) for match in matches],
                }
                for seen, matches in faces
            ],
        }
    )


def _match_document(match: SimilarFace) -> dict[str, Any]:
    document = {"Similarity": match.similarity, "Face": face_document(match.face)}
    return conform("FaceMatch", document)
