"""A process that works on video jobs; see ``local.video``."""

from __future__ import annotations

import os
import sys
from typing import Any, Final

import boto3

from facedex.api.catalog import WORKERS
from local.event_source import EventSource

_FUNCTION: Final = "search_video_segment"
_NICE: Final = 10  # requests come first


def main() -> None:
    """Work until standard input closes, which it does when whoever started this ends."""
    os.nice(_NICE)
    row = WORKERS[_FUNCTION]
    queue: Any = boto3.client("sqs")
    EventSource(
        os.environ["FACEDEX_VIDEO_QUEUE"],
        row.handler,
        function=_FUNCTION,
        batch_size=1,
        workers=1,
        timeout=row.timeout,
        memory=row.memory,
        client=queue,
    ).start()
    sys.stdin.buffer.read()
    # Nothing is lost: the lease of what it was at runs out, and another worker takes it up.
    os._exit(0)


if __name__ == "__main__":
    main()
