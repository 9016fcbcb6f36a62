"""Whose records are in a data stream: several stream processors may write to one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from facedex_cli.watch import records
from facedex_cli.watch.consuming import Record


class Owners:
    """Recognises the records of other stream processors by their partition key, a name.

    A key that is no processor's name may be that of any record, as of another implementation.

    Args:
        rekognition: boto3's client for Rekognition.
        processor: name of the processor whose records are wanted.
    """

    def __init__(self, rekognition: Any, processor: str) -> None:
        self._rekognition = rekognition
        self._others = {processor: False}

    def is_other(self, key: str) -> bool:
        """Return whether records with this partition key are those of another processor."""
        if key not in self._others:
            try:
                self._rekognition.describe_stream_processor(Name=key)
            except self._rekognition.exceptions.ResourceNotFoundException:
                self._others[key] = False
            except (BotoCoreError, ClientError):
                return False
            else:
                self._others[key] = True
        return self._others[key]


def own_frames(
    batches: Iterable[Sequence[Record]], owners: Owners, video_stream: str
) -> Iterator[list[records.Frame]]:
    """Yield the frames of one processor in each batch of records.

    Args:
        batches: the records of a data stream.
        owners: recognises the records of other processors.
        video_stream: ARN of the processor's video stream, or "" if it is unknown.
    """
    for batch in batches:
        own = [each.data for each in batch if not owners.is_other(each.key)]
        found = [frame for data in own if (frame := records.read(data))]
        yield [
            frame
            for frame in found
            if not (video_stream and frame.stream) or frame.stream == video_stream
        ]
