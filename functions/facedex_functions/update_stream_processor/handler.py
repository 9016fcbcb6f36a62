"""UpdateStreamProcessor: change the data sharing preference of a stream processor.

All other members that the operation can change concern label detection.
"""

from __future__ import annotations

from typing import Final

from facedex.api.errors import InvalidParameterException
from facedex.runtime.operation import Request, Response, operation
from facedex.runtime.services import Services
from facedex.store import stream_processors
from facedex.workflows.live_video import refuse_label_detection

# ParametersToDelete can name two parameters; both concern label detection.
_LABEL_DETECTION: Final = (
    "SettingsForUpdate",
    "RegionsOfInterestForUpdate",
    "ParametersToDelete",
)


def update_stream_processor(request: Request, services: Services) -> Response:
    """Change a stream processor's DataSharingPreference; a current run continues."""
    with services.database.transaction() as connection:
        processor = stream_processors.find(connection, request["Name"], for_update=True)
        refuse_label_detection(request, *_LABEL_DETECTION)
        preference = request.get("DataSharingPreferenceForUpdate")
        if preference is None:
            raise InvalidParameterException(
                "There is nothing to update: of a stream processor that searches for faces, only"
                " DataSharingPreferenceForUpdate can be changed."
            )
        stream_processors.share_data(connection, processor, preference["OptIn"])
    return {}


lambda_handler = operation("UpdateStreamProcessor", update_stream_processor)
