"""DescribeStreamProcessor: return the definition and the status of a stream processor."""

from __future__ import annotations

from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.store import stream_processors


def describe_stream_processor(request: Request, services: Services) -> Response:
    """Describe a stream processor."""
    with services.database.reading() as connection:
        processor = stream_processors.find(connection, request["Name"])
    definition = processor.definition
    sharing = definition.data_sharing
    return {
        "Name": processor.name,
        "StreamProcessorArn": services.owner.stream_processor_arn(processor.name),
        "Status": processor.status,
        "StatusMessage": processor.status_message,
        "CreationTimestamp": processor.created_at,
        "LastUpdateTimestamp": processor.updated_at,
        "Input": {"KinesisVideoStream": {"Arn": definition.video_stream_arn}},
        "Output": {"KinesisDataStream": {"Arn": definition.data_stream_arn}},
        "RoleArn": definition.role_arn,
        "Settings": {
            "FaceSearch": {
                "CollectionId": definition.collection_id,
                "FaceMatchThreshold": definition.threshold,
            }
        },
        "DataSharingPreference": None if sharing is None else {"OptIn": sharing},
    }


lambda_handler = operation("DescribeStreamProcessor", describe_stream_processor)
