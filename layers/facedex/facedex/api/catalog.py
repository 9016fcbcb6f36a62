"""The single table of operations and functions.

Routes, functions, their permissions and sizes, the local server, sample events and documentation
are derived from these rows. A new operation needs a row here, a folder in ``functions/``, an event
in ``events/``, and tests.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Need(StrEnum):
    """A resource outside its own code that a function must be able to use."""

    DATABASE = "database"
    MODELS = "models"  # the pack's ONNX files, for functions that process images
    PACK = "pack"  # the pack's manifest only: version and calibration
    S3 = "s3"  # read access to the caller's images and videos
    UPLOADS = "uploads"  # the uploads bucket (read, list, tag) and its dead-letter queue (send)
    BULK = "bulk"  # the buckets of bulk executions (read)
    BULK_REPORTS = "bulk-reports"  # the bucket of their reports (read, list, write)
    VIDEO = "video"  # PyAV and lap, for functions that decode video
    VIDEO_QUEUE = "video-queue"  # sends work on stored video
    STREAM_QUEUE = "stream-queue"  # sends work on streaming video
    STREAMS = "streams"  # reads the callers' video streams, writes to their data streams
    TOPICS = "topics"  # publishes to the caller's SNS topics
    GALLERY = "gallery"  # searches, in a copy in its memory if the gallery is large
    TOPIC_CHECK = "topic-check"  # looks up whether the caller's SNS topics exist


class Trigger(StrEnum):
    """The event source of a function that is not an operation."""

    GATEWAY = "gateway"  # API Gateway: POST /
    PAGES = "pages"  # API Gateway: GET /console and the files below it
    UPLOADS = "uploads"  # SQS: notifications of the uploads bucket
    VIDEO = "video"  # SQS: work on stored video, one message at a time
    STREAMS = "streams"  # SQS: stream processors that need a worker, one at a time
    DEPLOYMENT = "deployment"  # CloudFormation: a custom resource of the stack
    SCHEDULE = "schedule"  # EventBridge: every few hours
    BULK = "bulk"  # Step Functions: steps of the bulk state machine
    OPERATOR = "operator"  # an operator: aws lambda invoke


@dataclass(frozen=True, slots=True)
class OtherFunction:
    """A function that is not an operation of the service.

    Attributes:
        function: its folder in ``facedex_functions`` and the stem of its Lambda function's name.
        trigger: the event source that invokes it.
        needs, memory, timeout: as in :class:`Operation`.
    """

    function: str
    trigger: Trigger
    needs: frozenset[Need]
    memory: int
    timeout: int


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the service.

    Attributes:
        name: the operation's name in AWS's service model.
        function: its folder in ``facedex_functions`` and the stem of its Lambda function's name.
        method: HTTP method of its REST route.
        path: resource path of its REST route; ``{Placeholders}`` are members of the request.
        needs: the resources that it uses.
        memory: MiB of its Lambda function; Lambda allocates CPU in proportion.
        timeout: seconds; API Gateway times out after 29.
        changes: whether it may change data, which read-only access keys must not do.
    """

    name: str
    function: str
    method: str
    path: str
    needs: frozenset[Need]
    memory: int
    timeout: int
    changes: bool


@dataclass(frozen=True, slots=True)
class Variant:
    """An extension of an operation, selected by a query parameter on the operation's REST route.

    Attributes:
        name: the extension's name in ``facedex.api.extensions``.
        operation: the operation whose route and function it uses.
        parameter: name of the query parameter.
        value: parameter value that selects the extension.
        default: parameter value that selects the operation itself, as does its absence.
    """

    name: str
    operation: str
    parameter: str
    value: str
    default: str


_RECORDS = frozenset({Need.DATABASE})
_SEARCH = frozenset({Need.DATABASE, Need.PACK})
_PIXELS = frozenset({Need.MODELS, Need.S3})
_FACES = _RECORDS | _PIXELS
_GALLERY = frozenset({Need.GALLERY})
_VIDEO = frozenset({Need.DATABASE, Need.PACK, Need.S3, Need.VIDEO_QUEUE})
_START = _VIDEO | {Need.TOPIC_CHECK}
_STREAM = frozenset({Need.DATABASE, Need.PACK, Need.STREAM_QUEUE})

# Lambda allocates one full core at 1,769 MiB.
_SMALL: Final = 256
LARGE: Final = 1769

# Seconds after which API Gateway times out. A request that has to wait for a paused database needs
# most of them, whatever the operation.
_GATEWAY: Final = 29

# AWS's verbs for operations that change nothing; any other operation counts as a change.
_READING: Final = ("Compare", "Describe", "Detect", "Get", "List", "Search")

_COLLECTIONS: Final = "/v1/collections"
_COLLECTION: Final = "/v1/collections/{CollectionId}"
_USER: Final = "/v1/collections/{CollectionId}/users/{UserId}"
_FACE_SEARCH: Final = "/v1/video/face-search"
_FACE_DETECTION: Final = "/v1/video/face-detection"
_PROCESSORS: Final = "/v1/stream-processors"
_PROCESSOR: Final = "/v1/stream-processors/{Name}"


def is_reading(name: str) -> bool:
    """Return whether an AWS operation of that name changes nothing; an unknown verb changes."""
    return name.startswith(_READING)


def _row(
    name: str, route: str, needs: frozenset[Need], memory: int = _SMALL, timeout: int = _GATEWAY
) -> Operation:
    method, _, path = route.partition(" ")
    function = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
    changes = not is_reading(name)
    return Operation(name, function, method, path, needs, memory, timeout, changes)


OPERATIONS: Final[Mapping[str, Operation]] = {
    row.name: row
    for row in (
        _row("CreateCollection", f"POST {_COLLECTIONS}", _SEARCH),
        _row("ListCollections", f"GET {_COLLECTIONS}", _RECORDS),
        _row("DescribeCollection", f"GET {_COLLECTION}", _RECORDS),
        _row("DeleteCollection", f"DELETE {_COLLECTION}", _RECORDS),
        _row("IndexFaces", f"POST {_COLLECTION}/faces", _FACES, LARGE),
        _row("ListFaces", f"GET {_COLLECTION}/faces", _SEARCH),
        _row("DeleteFaces", f"POST {_COLLECTION}/faces/delete", _RECORDS),
        _row("SearchFaces", f"GET {_COLLECTION}/faces/{{FaceId}}/matches", _SEARCH | _GALLERY),
        _row("SearchFacesByImage", f"POST {_COLLECTION}/search", _FACES | _GALLERY, LARGE),
        _row("CreateUser", f"POST {_COLLECTION}/users", _RECORDS),
        _row("ListUsers", f"GET {_COLLECTION}/users", _RECORDS),
        _row("DeleteUser", f"DELETE {_USER}", _RECORDS),
        _row("AssociateFaces", f"POST {_USER}/faces", _SEARCH),
        _row("DisassociateFaces", f"POST {_USER}/faces/delete", _RECORDS),
        _row("SearchUsers", f"POST {_COLLECTION}/search/users", _SEARCH | _GALLERY),
        _row(
            "SearchUsersByImage",
            f"POST {_COLLECTION}/search/users-by-image",
            _FACES | _GALLERY,
            LARGE,
        ),
        _row("DetectFaces", "POST /v1/faces/detect", _PIXELS, LARGE),
        _row("CompareFaces", "POST /v1/faces/compare", _PIXELS, LARGE),
        _row("StartFaceSearch", f"POST {_FACE_SEARCH}", _START),
        _row("GetFaceSearch", f"GET {_FACE_SEARCH}/{{JobId}}", _RECORDS),
        _row("StartFaceDetection", f"POST {_FACE_DETECTION}", _START),
        _row("GetFaceDetection", f"GET {_FACE_DETECTION}/{{JobId}}", _RECORDS),
        _row("CreateStreamProcessor", f"POST {_PROCESSORS}", _SEARCH),
        _row("ListStreamProcessors", f"GET {_PROCESSORS}", _RECORDS),
        _row("DescribeStreamProcessor", f"GET {_PROCESSOR}", _RECORDS),
        _row("UpdateStreamProcessor", f"POST {_PROCESSOR}", _RECORDS),
        _row("DeleteStreamProcessor", f"DELETE {_PROCESSOR}", _RECORDS),
        _row("StartStreamProcessor", f"POST {_PROCESSOR}/start", _STREAM),
        _row("StopStreamProcessor", f"POST {_PROCESSOR}/stop", _RECORDS),
        _row("TagResource", "POST /v1/tags/{ResourceArn}", _RECORDS),
        _row("UntagResource", "DELETE /v1/tags/{ResourceArn}", _RECORDS),
        _row("ListTagsForResource", "GET /v1/tags/{ResourceArn}", _RECORDS),
    )
}

VARIANTS: Final[Mapping[str, Variant]] = {
    row.name: row
    for row in (
        Variant("SearchAllFacesByImage", "SearchFacesByImage", "faces", "all", "largest"),
        Variant("GroupFaces", "ListFaces", "groups", "people", "none"),
        Variant("DistinguishFaces", "AssociateFaces", "as", "others", "user"),
    )
}

OTHER_FUNCTIONS: Final[Mapping[str, OtherFunction]] = {
    row.function: row
    for row in (
        # Building an index over many faces can take minutes.
        OtherFunction("migrate", Trigger.DEPLOYMENT, _RECORDS, _SMALL, 900),
        OtherFunction(
            "sweep",
            Trigger.SCHEDULE,
            _RECORDS | {Need.VIDEO_QUEUE, Need.STREAM_QUEUE, Need.TOPICS},
            _SMALL,
            300,
        ),
        OtherFunction("access_keys", Trigger.OPERATOR, _RECORDS, _SMALL, 60),
        # The front door runs every operation, so it needs all that any of them needs.
        OtherFunction(
            "front_door", Trigger.GATEWAY, _FACES | _GALLERY | _START | _STREAM, LARGE, _GATEWAY
        ),
        # It sends files.
        OtherFunction("console", Trigger.PAGES, frozenset(), _SMALL, _GATEWAY),
        # A photo takes less than a second; the rest allows for a paused database to resume.
        OtherFunction(
            "index_upload",
            Trigger.UPLOADS,
            frozenset({Need.DATABASE, Need.MODELS, Need.UPLOADS}),
            LARGE,
            60,
        ),
        # The same for a photo of a bucket of the user's.
        OtherFunction(
            "index_bulk",
            Trigger.BULK,
            frozenset({Need.DATABASE, Need.MODELS, Need.BULK}),
            LARGE,
            60,
        ),
        # A million lines take 14 s of a whole core, of which this memory has a third.
        OtherFunction("report_bulk", Trigger.BULK, frozenset({Need.BULK_REPORTS}), 2 * _SMALL, 900),
        # A 30-second segment takes a few seconds; 4K video takes ten times as long.
        OtherFunction(
            "search_video_segment",
            Trigger.VIDEO,
            _FACES | _GALLERY | _VIDEO | {Need.VIDEO, Need.TOPICS},
            LARGE,
            300,
        ),
        # Lambda's maximum: at each handover to another worker, some frames are processed twice.
        OtherFunction(
            "run_stream_processor",
            Trigger.STREAMS,
            _STREAM | _GALLERY | {Need.MODELS, Need.VIDEO, Need.STREAMS},
            LARGE,
            900,
        ),
    )
}
