"""CreateStreamProcessor: create a processor that searches for faces in a Kinesis video stream."""

from __future__ import annotations

import re
from typing import Any, Final

from facedex.api.documents import MATCH_THRESHOLD
from facedex.api.errors import InvalidParameterException
from facedex.aws.camera_addresses import camera_address
from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.store import collections, stream_processors, tags
from facedex.store.collections import Collection
from facedex.store.database import Connection
from facedex.store.store_errors import CollectionNotFound
from facedex.store.stream_processors import Definition
from facedex.workflows.live_video import refuse_label_detection

_LABEL_DETECTION: Final = (
    "Settings.ConnectedHome",
    "Output.S3Destination",
    "NotificationChannel",
    "KmsKeyId",
    "RegionsOfInterest",
)

# The ARN patterns of Kinesis Video Streams and Kinesis Data Streams.
_VIDEO_STREAM: Final = re.compile(
    r"arn:[a-z0-9-]+:kinesisvideo:[a-z0-9-]+:[0-9]+:stream/[a-zA-Z0-9_.-]+/[0-9]+"
)
_DATA_STREAM: Final = re.compile(
    r"arn:[a-z0-9-]+:kinesis:[a-z0-9-]+:[0-9]{12}:stream/[a-zA-Z0-9_.-]+"
)


def create_stream_processor(request: Request, services: Services) -> Response:
    """Create a stopped stream processor."""
    refuse_label_detection(request, *_LABEL_DETECTION)
    search = _member(request, "Settings", "FaceSearch")
    video_stream = _member(request, "Input", "KinesisVideoStream", "Arn")
    data_stream = _member(request, "Output", "KinesisDataStream", "Arn")
    collection_id = _member(request, "Settings", "FaceSearch", "CollectionId")
    if camera_address(video_stream, services.settings.rtsp_hosts) is None:
        _require("Input.KinesisVideoStream.Arn", video_stream, _VIDEO_STREAM, "stream/NAME/CREATED")
    _require("Output.KinesisDataStream.Arn", data_stream, _DATA_STREAM, "stream/NAME")
    sharing = request.get("DataSharingPreference")
    with services.database.transaction() as connection:
        collection = _find(connection, collection_id)
        services.pack_of(collection)  # report a missing pack now, not in the first run
        processor = stream_processors.create(
            connection,
            Definition(
                name=request["Name"],
                video_stream_arn=video_stream,
                data_stream_arn=data_stream,
                role_arn=request["RoleArn"],
                collection_key=collection.key,
                collection_id=collection.collection_id,
                # As AWS documents it: "values lower than 80 are set to 80".
                threshold=max(search.get("FaceMatchThreshold", MATCH_THRESHOLD), MATCH_THRESHOLD),
                data_sharing=sharing and sharing["OptIn"],
            ),
            limit=services.settings.stream_processors,
        )
        tags.put(connection, processor, request.get("Tags", {}))
    return {"StreamProcessorArn": services.owner.stream_processor_arn(processor.name)}


def _find(connection: Connection, collection_id: str) -> Collection:
    try:
        return collections.find(connection, collection_id)
    except CollectionNotFound as error:
        # The service model has no ResourceNotFoundException for this operation.
        raise InvalidParameterException(f"Settings.FaceSearch.CollectionId: {error}") from None


def _member(request: Request, *place: str) -> Any:
    """Return a member that the service model declares optional but face search requires."""
    found: Any = request
    for member in place:
        found = found.get(member)
        if found is None:
            raise InvalidParameterException(
                f"{'.'.join(place)} is missing; face search requires"
                " Input.KinesisVideoStream.Arn, Output.KinesisDataStream.Arn and"
                " Settings.FaceSearch.CollectionId."
            )
    return found


def _require(place: str, arn: str, pattern: re.Pattern[str], resource: str) -> None:
    if not pattern.fullmatch(arn):
        raise InvalidParameterException(
            f"{place} is {arn}, which is not the ARN of a stream; such an ARN ends in {resource}."
        )


lambda_handler = operation("CreateStreamProcessor", create_stream_processor)
