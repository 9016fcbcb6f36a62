"""Records of a stream processor have exactly the documented format of Rekognition."""

from __future__ import annotations

import json
from uuid import UUID

import av
import numpy as np

from facedex.media.decoding import Shot
from facedex.media.matroska.live import Opening
from facedex.media.watching import Seen
from facedex.store.faces import StoredFace
from facedex.store.timelines import SimilarFace
from facedex.vision.faces import Box, Face, Pose, Quality
from facedex_functions.run_stream_processor.records import frame_record

ARN = "arn:aws:kinesisvideo:us-east-1:123456789012:stream/door/1598784211076"
SHOT = Shot(
    Opening("91343852333289682796718532614445757584843717598", 1510552593.455, 1510552593.193, ()),
    1.9999999,
    av.VideoFrame(64, 64, "yuv420p"),
    1.0,
)
BOX = Box(0.125, 0.25, 0.5, 0.375)  # left, top, width, height
FACE = Face(
    BOX,
    99.5,
    (np.arange(10) / 16).astype(np.float32).reshape(5, 2),
    (32, 24),
    Pose(1.0, 2.0, 3.0),
    Quality(50.0, 60.0),
)
MATCH = SimilarFace(
    StoredFace(
        UUID("ed1b560f-d6af-5158-989a-ff586c931545"),
        UUID("70e09693-2114-57e1-807c-50b6d61fa4dc"),
        "matchImage.jpeg",
        BOX,
        99.25,
        None,
    ),
    88.75,
)


def test_record_of_a_known_face_has_rekognitions_format() -> None:
    box = {"Height": 0.375, "Width": 0.5, "Left": 0.125, "Top": 0.25}
    assert json.loads(frame_record(ARN, SHOT, [(Seen(FACE, 1, None), [MATCH])])) == {
        "InputInformation": {
            "KinesisVideo": {
                "StreamArn": ARN,
                "FragmentNumber": "91343852333289682796718532614445757584843717598",
                "ServerTimestamp": 1510552593.455,
                "ProducerTimestamp": 1510552593.193,
                "FrameOffsetInSeconds": 2,
            }
        },
        "StreamProcessorInformation": {"Status": "RUNNING"},
        "FaceSearchResponse": [
            {
                "DetectedFace": {
                    "BoundingBox": box,
                    "Confidence": 99.5,
                    "Landmarks": [
                        {"Type": name, "X": 2 * place / 16, "Y": (2 * place + 1) / 16}
                        for place, name in enumerate(
                            ("eyeLeft", "eyeRight", "nose", "mouthLeft", "mouthRight")
                        )
                    ],
                    "Pose": {"Pitch": 3.0, "Roll": 1.0, "Yaw": 2.0},
                    "Quality": {"Brightness": 50.0, "Sharpness": 60.0},
                },
                "MatchedFaces": [
                    {
                        "Similarity": 88.75,
                        "Face": {
                            "BoundingBox": box,
                            "FaceId": "ed1b560f-d6af-5158-989a-ff586c931545",
                            "Confidence": 99.25,
                            "ImageId": "70e09693-2114-57e1-807c-50b6d61fa4dc",
                            "ExternalImageId": "matchImage.jpeg",
                        },
                    }
                ],
            }
        ],
    }


def test_record_lists_unknown_faces_and_frames_without_faces() -> None:
    (found,) = json.loads(frame_record(ARN, SHOT, [(Seen(FACE, 1, None), [])]))[
        "FaceSearchResponse"
    ]
    assert found["MatchedFaces"] == []
    assert json.loads(frame_record(ARN, SHOT, []))["FaceSearchResponse"] == []


def test_record_reports_the_seconds_skipped_before_its_frame() -> None:
    said = json.loads(frame_record(ARN, SHOT, [], skipped=21.23456))
    assert said["StreamProcessorInformation"] == {"Status": "RUNNING", "SkippedSeconds": 21.235}


def test_largest_record_fits_into_a_data_stream() -> None:
    """The limit is 1 MB with the partition key; a frame has at most 100 faces of ten matches."""
    longest = SimilarFace(
        StoredFace(
            MATCH.face.face_id, MATCH.face.image_id, "x" * 255, (1 / 3,) * 4, 100 / 3, "y" * 128
        ),
        100 / 3,
    )
    found = [(Seen(FACE, number, None), [longest] * 10) for number in range(100)]
    assert len(frame_record(ARN, SHOT, found)) + 128 < 1 << 20
