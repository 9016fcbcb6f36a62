"""Example requests and responses for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_FACE: Final = "11111111-2222-3333-4444-555555555555"
_OTHER_FACE: Final = "66666666-7777-8888-9999-000000000000"
_BOX: Final = {"Width": 0.25, "Height": 0.4, "Left": 0.35, "Top": 0.2}
_ARN: Final = "arn:aws:rekognition:us-east-1:123456789012"
_PHOTO: Final = {"S3Object": {"Bucket": "photos", "Name": "eileen.jpg"}}
_FILM: Final = {"S3Object": {"Bucket": "films", "Name": "lobby.mp4"}}
_MATCH: Final = {
    "Similarity": 99.99,
    "Face": {
        "FaceId": _FACE,
        "BoundingBox": _BOX,
        "ImageId": "66666666-7777-8888-9999-000000000000",
        "ExternalImageId": "eileen",
        "Confidence": 99.8,
        "IndexFacesModelVersion": "7.1",
    },
}
_FOUND: Final = {
    "SearchedFaceBoundingBox": _BOX,
    "SearchedFaceConfidence": 99.9,
    "FaceMatches": [_MATCH],
}
# Input, output and settings of a stream processor.
_WATCH: Final = {
    "Name": "door",
    "Input": {
        "KinesisVideoStream": {
            "Arn": "arn:aws:kinesisvideo:us-east-1:123456789012:stream/door/1767268800000"
        }
    },
    "Output": {
        "KinesisDataStream": {"Arn": "arn:aws:kinesis:us-east-1:123456789012:stream/seen-at-door"}
    },
    "Settings": {"FaceSearch": {"CollectionId": "staff", "FaceMatchThreshold": 90}},
    "RoleArn": "arn:aws:iam::123456789012:role/facedex-streams",
}

# By member, for members in the path or the query string.
PARAMETERS: Final[Mapping[str, Any]] = {
    "CollectionId": "staff",
    "FaceId": _FACE,
    "UserId": "eileen",
    "JobId": "0f7f4f5e3f0a4f0e9d0e2f3f4f5f6f7f0f7f4f5e3f0a4f0e9d0e2f3f4f5f6f7f",
    "Name": "door",
    "ResourceArn": f"{_ARN}:collection/staff",
    "TagKeys": ["team"],
}

# By operation, without the members that are in the path.
REQUESTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "CreateCollection": {"CollectionId": "staff", "Tags": {"team": "flight"}},
    "IndexFaces": {"Image": _PHOTO, "ExternalImageId": "eileen", "MaxFaces": 1},
    "DeleteFaces": {"FaceIds": [_FACE]},
    "SearchFacesByImage": {"Image": _PHOTO, "FaceMatchThreshold": 90, "MaxFaces": 5},
    "CreateUser": {"UserId": "eileen"},
    "AssociateFaces": {"FaceIds": [_FACE]},
    "DisassociateFaces": {"FaceIds": [_FACE]},
    "SearchUsers": {"FaceId": _FACE},
    "SearchUsersByImage": {"Image": _PHOTO},
    "DetectFaces": {"Image": _PHOTO},
    "CompareFaces": {
        "SourceImage": _PHOTO,
        "TargetImage": {"S3Object": {"Bucket": "photos", "Name": "team.jpg"}},
    },
    "StartFaceSearch": {"Video": _FILM, "CollectionId": "staff"},
    "StartFaceDetection": {"Video": _FILM},
    "CreateStreamProcessor": {**_WATCH, "Tags": {"site": "north"}},
    "UpdateStreamProcessor": {"DataSharingPreferenceForUpdate": {"OptIn": False}},
    "TagResource": {"Tags": {"team": "flight"}},
}

# By operation or extension.
RESPONSES: Final[Mapping[str, Mapping[str, Any]]] = {
    "CreateCollection": {
        "StatusCode": 200,
        "CollectionArn": f"{_ARN}:collection/staff",
        "FaceModelVersion": "7.1",
    },
    "SearchFacesByImage": {**_FOUND, "FaceModelVersion": "7.1"},
    "SearchAllFacesByImage": {
        "SearchedFaces": [_FOUND],
        "UnsearchedFaces": [],
        "FaceModelVersion": "7.1",
    },
    "GroupFaces": {
        "Groups": [
            {
                "Faces": [
                    {"FaceId": _FACE, "ExternalImageId": "ann", "UserId": "ann"},
                    {"FaceId": _OTHER_FACE, "ExternalImageId": "door-0815"},
                ],
                "UserIds": ["ann"],
                "Similarity": 99.97,
            }
        ],
        "GroupCount": 1,
        "FaceCount": 7,
        "FaceModelVersion": "7.1",
    },
    "CreateStreamProcessor": {"StreamProcessorArn": f"{_ARN}:streamprocessor/door"},
    "DescribeStreamProcessor": {
        **_WATCH,
        "StreamProcessorArn": f"{_ARN}:streamprocessor/door",
        "Status": "RUNNING",
        "CreationTimestamp": 1767268800.0,
        "LastUpdateTimestamp": 1767268812.5,
    },
}
