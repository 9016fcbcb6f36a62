"""The single table of what exists.

Routes, functions, their permissions and sizes, the local server, sample events and documentation
are derived from these rows. Adding an operation is a row here, a folder in ``functions/``, an
event in ``events/`` and its tests.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from facedex.api.operation import Endpoint


class Need(StrEnum):
    """Something outside its own code that a function must be able to reach."""

    DATABASE = "database"
    MODELS = "models"  # the pack's ONNX files: pixels are looked at
    PACK = "pack"  # the pack's manifest only: version and calibration
    S3 = "s3"  # read access to the caller's images


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the service.

    Attributes:
        name: the operation's name in AWS's service model.
        function: its folder in ``functions/`` and the stem of its Lambda function's name.
        method: HTTP method of its REST route.
        path: resource path of its REST route; ``{Placeholders}`` are members of the request.
        needs: what it must be able to reach.
        memory: MiB of its Lambda function; Lambda's share of CPU follows it.
        timeout: seconds; API Gateway itself gives up after 29.
    """

    name: str
    function: str
    method: str
    path: str
    needs: frozenset[Need]
    memory: int
    timeout: int

    @property
    def endpoint(self) -> Endpoint:
        """The operation's Lambda handler, imported on first use."""
        module = importlib.import_module(f"functions.{self.function}.handler")
        return cast("Endpoint", module.lambda_handler)


def _table(*rows: Operation) -> Mapping[str, Operation]:
    return {row.name: row for row in rows}


_ROWS = frozenset({Need.DATABASE})
_SEARCH = frozenset({Need.DATABASE, Need.PACK})
_PIXELS = frozenset({Need.MODELS, Need.S3})
_FACES = _ROWS | _PIXELS

OPERATIONS: Final[Mapping[str, Operation]] = _table(
    Operation("CreateCollection", "create_collection", "POST", "/v1/collections", _SEARCH, 256, 10),
    Operation("ListCollections", "list_collections", "GET", "/v1/collections", _ROWS, 256, 10),
    Operation(
        "DescribeCollection",
        "describe_collection",
        "GET",
        "/v1/collections/{CollectionId}",
        _ROWS,
        256,
        10,
    ),
    Operation(
        "DeleteCollection",
        "delete_collection",
        "DELETE",
        "/v1/collections/{CollectionId}",
        _ROWS,
        256,
        29,
    ),
    Operation(
        "IndexFaces",
        "index_faces",
        "POST",
        "/v1/collections/{CollectionId}/faces",
        _FACES,
        1769,
        29,
    ),
    Operation(
        "ListFaces", "list_faces", "GET", "/v1/collections/{CollectionId}/faces", _ROWS, 256, 10
    ),
    Operation(
        "DeleteFaces",
        "delete_faces",
        "POST",
        "/v1/collections/{CollectionId}/faces/delete",
        _ROWS,
        256,
        10,
    ),
    Operation(
        "SearchFaces",
        "search_faces",
        "GET",
        "/v1/collections/{CollectionId}/faces/{FaceId}/matches",
        _SEARCH,
        256,
        29,
    ),
    Operation(
        "SearchFacesByImage",
        "search_faces_by_image",
        "POST",
        "/v1/collections/{CollectionId}/search",
        _FACES,
        1769,
        29,
    ),
    Operation("DetectFaces", "detect_faces", "POST", "/v1/faces/detect", _PIXELS, 1769, 29),
)
