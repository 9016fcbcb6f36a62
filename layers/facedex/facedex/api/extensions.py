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
