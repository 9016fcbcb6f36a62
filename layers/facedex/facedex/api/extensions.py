"""Extensions to AWS's API, as operations and shapes of the service model.

``api/service_model.py`` merges these tables into AWS's, so that reading, validation, writing and
the OpenAPI document treat both alike. An extension has its own names; no AWS operation gains or
loses a member. Extensions exist in the REST API only. A query parameter on the route of an AWS
operation selects each; ``VARIANTS`` in the catalog lists the parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

OPERATIONS: Final[Mapping[str, Mapping[str, Any]]] = {
    "SearchAllFacesByImage": {
        "name": "SearchAllFacesByImage",
        "input": {"shape": "SearchFacesByImageRequest"},
        "output": {"shape": "SearchAllFacesByImageResponse"},
        "documentation": "Searches with every face of a photo, and not only with the largest.",
    },
    "GroupFaces": {
        "name": "GroupFaces",
        "input": {"shape": "GroupFacesRequest"},
        "output": {"shape": "GroupFacesResponse"},
        "documentation": "Groups the faces of a collection that look like one person and do not all"
        " belong to one user.",
    },
    "DistinguishFaces": {
        "name": "DistinguishFaces",
        "input": {"shape": "DistinguishFacesRequest"},
        "output": {"shape": "DistinguishFacesResponse"},
        "documentation": "Remembers that faces are not those of a user, so that GroupFaces never"
        " puts them into one group with the user's faces.",
    },
}

SHAPES: Final[Mapping[str, Mapping[str, Any]]] = {
    "SearchAllFacesByImageResponse": {
        "type": "structure",
        "documentation": "The search results for every face of a photo.",
        "required": ["SearchedFaces", "UnsearchedFaces", "FaceModelVersion"],
        "members": {
            "SearchedFaces": {
                "shape": "SearchedFaceMatchesList",
                "documentation": "One result for each face of the photo, the largest face first;"
                " empty where the photo has no face.",
            },
            "UnsearchedFaces": {
                "shape": "UnsearchedFacesList",
                "documentation": "The faces that the QualityFilter excluded, with the reasons.",
            },
            "FaceModelVersion": {
                "shape": "String",
                "documentation": "Version of the model that made the collection's face vectors.",
            },
        },
    },
    "GroupFacesRequest": {
        "type": "structure",
        "required": ["CollectionId"],
        "members": {
            "CollectionId": {
                "shape": "CollectionId",
                "documentation": "The collection whose faces are grouped.",
            },
            "Similarity": {
                "shape": "Percent",
                "documentation": "The similarity that the faces of a group have on average,"
                " 99 by default.",
            },
            "MaxResults": {
                "shape": "PageSize",
                "documentation": "Maximum number of groups in the response, 100 by default. The"
                " largest come first; when some of them have been dealt with, others follow.",
            },
        },
    },
    "GroupFacesResponse": {
        "type": "structure",
        "documentation": "Groups of faces, each of which looks like one person.",
        "required": ["Groups", "GroupCount", "FaceCount", "FaceModelVersion"],
        "members": {
            "Groups": {
                "shape": "FaceGroupList",
                "documentation": "The groups, the largest first.",
            },
            "GroupCount": {
                "shape": "ULong",
                "documentation": "The number of all groups.",
            },
            "FaceCount": {
                "shape": "ULong",
                "documentation": "The number of faces that were compared.",
            },
            "FaceModelVersion": {
                "shape": "String",
                "documentation": "Version of the model that made the collection's face vectors.",
            },
        },
    },
    "FaceGroupList": {"type": "list", "member": {"shape": "FaceGroup"}},
    "FaceGroup": {
        "type": "structure",
        "documentation": "Faces that look like one person.",
        "required": ["Faces", "UserIds", "Similarity"],
        "members": {
            "Faces": {
                "shape": "FaceList",
                "documentation": "The faces, at least two, each with its user if it has one.",
            },
            "UserIds": {
                "shape": "UserIdList",
                "documentation": "The users that have faces in the group: none, one that lacks a"
                " face of the group, or several.",
            },
            "Similarity": {
                "shape": "Percent",
                "documentation": "The similarity that pairs of these faces have on average.",
            },
        },
    },
    "UserIdList": {"type": "list", "member": {"shape": "UserId"}},
    "DistinguishFacesRequest": {
        "type": "structure",
        "required": ["CollectionId", "UserId", "FaceIds"],
        "members": {
            "CollectionId": {
                "shape": "CollectionId",
                "documentation": "The collection of the user and the faces.",
            },
            "UserId": {
                "shape": "UserId",
                "documentation": "The user whose faces these are not.",
            },
            "FaceIds": {
                "shape": "UserFaceIdList",
                "documentation": "The faces, of other users or of none. Associating one with the"
                " user later takes this back.",
            },
        },
    },
    "DistinguishFacesResponse": {"type": "structure", "members": {}},
    "SearchedFaceMatchesList": {"type": "list", "member": {"shape": "SearchedFaceMatches"}},
    "SearchedFaceMatches": {
        "type": "structure",
        "documentation": "One face of a photo and the faces of the collection that resemble it.",
        "required": ["SearchedFaceBoundingBox", "SearchedFaceConfidence", "FaceMatches"],
        "members": {
            "SearchedFaceBoundingBox": {
                "shape": "BoundingBox",
                "documentation": "The position of the face in the photo.",
            },
            "SearchedFaceConfidence": {
                "shape": "Percent",
                "documentation": "The confidence that the box contains a face.",
            },
            "FaceMatches": {
                "shape": "FaceMatchList",
                "documentation": "The faces of the collection that resemble it, the most similar"
                " first.",
            },
        },
    },
}
