"""Examples for the OpenAPI document, in the words of the wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_FACE: Final = "11111111-2222-3333-4444-555555555555"
_BOX: Final = {"Width": 0.25, "Height": 0.4, "Left": 0.35, "Top": 0.2}
_PHOTO: Final = {"S3Object": {"Bucket": "photos", "Name": "eileen.jpg"}}
_MATCH: Final = {
    "Similarity": 99.99,
    "Face": {
        "FaceId": _FACE,
        "BoundingBox": _BOX,
        "ImageId": "66666666-7777-8888-9999-000000000000",
        "ExternalImageId": "eileen",
        "Confidence": 99.8,
        "IndexFacesModelVersion": "1",
    },
}
_FOUND: Final = {
    "SearchedFaceBoundingBox": _BOX,
    "SearchedFaceConfidence": 99.9,
    "FaceMatches": [_MATCH],
}

# By member, where it stands in a path or a query string.
PARAMETERS: Final[Mapping[str, Any]] = {
    "CollectionId": "staff",
    "FaceId": _FACE,
    "UserId": "eileen",
    "ResourceArn": "arn:aws:rekognition:us-east-1:123456789012:collection/staff",
    "TagKeys": ["team"],
}

# By operation, without what stands in the path.
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
    "TagResource": {"Tags": {"team": "flight"}},
}

# By operation or extension.
RESPONSES: Final[Mapping[str, Mapping[str, Any]]] = {
    "CreateCollection": {
        "StatusCode": 200,
        "CollectionArn": "arn:aws:rekognition:us-east-1:123456789012:collection/staff",
        "FaceModelVersion": "dlib-2",
    },
    "SearchFacesByImage": {**_FOUND, "FaceModelVersion": "dlib-2"},
    "SearchAllFacesByImage": {
        "SearchedFaces": [_FOUND],
        "UnsearchedFaces": [],
        "FaceModelVersion": "dlib-2",
    },
}
