"""UpdateStreamProcessor: of what it can change, only one thing is about searching faces."""

from __future__ import annotations

from typing import Final

from facedex.api.errors import InvalidParameterException
from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.store import stream_processors
from facedex.workflows.live_video import refuse_label_detection

# ParametersToDelete can name two parameters, both of label detection.
_LABEL_DETECTION: Final = (
    "SettingsForUpdate",
    "RegionsOfInterestForUpdate",
    "ParametersToDelete",
)


def update_stream_processor(request: Request, services: Services) -> Response:
    """Change a processor's DataSharingPreference; a run that is under way goes on."""
    refuse_label_detection(request, *_LABEL_DETECTION)
    preference = request.get("DataSharingPreferenceForUpdate")
    if preference is None:
        raise InvalidParameterException(
            "There is nothing to update: DataSharingPreferenceForUpdate is all that can be changed"
            " of a stream processor that searches faces."
        )
    with services.database.transaction() as connection:
        processor = stream_processors.find(connection, request["Name"], for_update=True)
        stream_processors.share_data(connection, processor, preference["OptIn"])
    return {}


lambda_handler = operation("UpdateStreamProcessor", update_stream_processor)
