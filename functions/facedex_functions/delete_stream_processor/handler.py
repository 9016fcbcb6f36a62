"""DeleteStreamProcessor: delete a stream processor that is not running, and its tags."""

from __future__ import annotations

from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.store import stream_processors


def delete_stream_processor(request: Request, services: Services) -> Response:
    """Delete a stream processor."""
    with services.database.transaction(frees=True) as connection:
        processor = stream_processors.find(connection, request["Name"], for_update=True)
        stream_processors.delete(connection, processor)
    return {}


lambda_handler = operation("DeleteStreamProcessor", delete_stream_processor)
