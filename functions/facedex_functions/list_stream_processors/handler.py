"""ListStreamProcessors: list the stream processors and their status, in order of creation."""

from __future__ import annotations

from typing import Final

from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.store import stream_processors

_LARGEST_PAGE: Final = 1000  # Rekognition's own default; it gives no more


def list_stream_processors(request: Request, services: Services) -> Response:
    """List one page of stream processors."""
    tokens = services.page_tokens("ListStreamProcessors")
    after = tokens.read(request["NextToken"]) if "NextToken" in request else 0
    count = min(request.get("MaxResults", _LARGEST_PAGE), _LARGEST_PAGE)
    with services.database.reading() as connection:
        found = stream_processors.page(connection, after=after, limit=count + 1)
    page = found[:count]
    return {
        "StreamProcessors": [
            {"Name": processor.name, "Status": processor.status} for processor in page
        ],
        "NextToken": tokens.write(page[-1].key) if len(found) > count else None,
    }


lambda_handler = operation("ListStreamProcessors", list_stream_processors)
