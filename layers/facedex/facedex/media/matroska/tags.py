"""The tags that Kinesis Video Streams adds to the fragments of a GetMedia response.

See "Payload" at
https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_dataplane_GetMedia.html.
"""

from __future__ import annotations

import math
from typing import Final

_PREFIX: Final = "AWS_KINESISVIDEO_"
NUMBER: Final = f"{_PREFIX}FRAGMENT_NUMBER"
SERVER_TIMESTAMP: Final = f"{_PREFIX}SERVER_TIMESTAMP"
PRODUCER_TIMESTAMP: Final = f"{_PREFIX}PRODUCER_TIMESTAMP"
MILLIS_BEHIND_NOW: Final = f"{_PREFIX}MILLIS_BEHIND_NOW"
CONTINUATION_TOKEN: Final = f"{_PREFIX}CONTINUATION_TOKEN"
ERROR_CODE: Final = f"{_PREFIX}ERROR_CODE"
ERROR_ID: Final = f"{_PREFIX}ERROR_ID"


def seconds(text: str | None) -> float | None:
    """Return the value of a tag with a time, or None if it is not a time."""
    try:
        value = float(text) if text else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None
