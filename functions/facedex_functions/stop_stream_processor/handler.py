"""StopStreamProcessor: stop the search for faces in a video stream."""

from __future__ import annotations

from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.store import stream_processors


def stop_stream_processor(request: Request, services: Services) -> Response:
    """Stop a stream processor; it is STOPPING until its worker ends, within seconds."""
    with services.database.transaction(frees=True) as connection:
        processor = stream_processors.find(connection, request["Name"], for_update=True)
        stream_processors.stop(connection, processor)
    return {}


lambda_handler = operation("StopStreamProcessor", stop_stream_processor)
