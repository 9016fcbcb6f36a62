"""What this service offers beyond AWS's, in the service model's own language of shapes.

``api/service_model.py`` lays these tables over AWS's, so that reading, checking, writing and the
OpenAPI document need not know the difference. An extension has names of its own, and no AWS
operation gains or loses a member. Extensions are reached by REST only, each by a query parameter
on the route of an operation of AWS's: ``VARIANTS`` in the catalog says by which.
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
        "documentation": "What was found for every face of a photo.",
        "required": ["SearchedFaces", "UnsearchedFaces", "FaceModelVersion"],
        "members": {
            "SearchedFaces": {
                "shape": "SearchedFaceMatchesList",
                "documentation": "One result for each face of the photo, the largest face first;"
                " empty where the photo has no face.",
            },
            "UnsearchedFaces": {
                "shape": "UnsearchedFacesList",
                "documentation": "The faces that do not clear the QualityFilter, with the reasons.",
            },
            "FaceModelVersion": {
                "shape": "String",
                "documentation": "The model that the collection's faces were made with.",
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
                "documentation": "Where the face is in the photo.",
            },
            "SearchedFaceConfidence": {
                "shape": "Percent",
                "documentation": "How sure it is that the box holds a face.",
            },
            "FaceMatches": {
                "shape": "FaceMatchList",
                "documentation": "The faces of the collection that resemble it, the most similar"
                " first.",
            },
        },
    },
}
