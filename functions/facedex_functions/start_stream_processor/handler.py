"""StartStreamProcessor: start the search for faces in a video stream."""

from __future__ import annotations

from facedex.api.errors import InternalServerError
from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.store import collections, stream_processors
from facedex.workflows import live_video


def start_stream_processor(request: Request, services: Services) -> Response:
    """Start a run; a worker begins with it a moment later."""
    settings = services.settings
    with services.database.transaction() as connection:
        processor = stream_processors.find(connection, request["Name"], for_update=True)
        live_video.refuse_label_detection(request, "StartSelector", "StopSelector")
        if not settings.stream_queue:
            raise InternalServerError(
                "This service does not analyse streaming video: FACEDEX_STREAM_QUEUE is not set."
            )
        collection = collections.find(connection, processor.definition.collection_id)
        services.pack_of(collection)  # report a missing pack now, not in the run
        server = settings.server_of(*live_video.STREAMS)
        run = stream_processors.start(connection, processor, collection, server=server)
    live_video.send(services.database, settings, processor.key)
    return {"SessionId": str(run)}


lambda_handler = operation("StartStreamProcessor", start_stream_processor)
