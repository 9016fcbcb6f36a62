"""ListStreamProcessors: list the stream processors and their status, in order of creation."""

from __future__ import annotations

from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.store import stream_processors


def list_stream_processors(request: Request, services: Services) -> Response:
    """List one page of stream processors."""
    page = services.page(request, "ListStreamProcessors")
    after = page.after or 0
    with services.database.reading() as connection:
        found = stream_processors.page(connection, after=after, limit=page.limit)
    listed, token = page.split(found, lambda processor: processor.key)
    return {
        "StreamProcessors": [
            {"Name": processor.name, "Status": processor.status} for processor in listed
        ],
        "NextToken": token,
    }


lambda_handler = operation("ListStreamProcessors", list_stream_processors)
