"""Answers of Kinesis Video Streams: fragments as Matroska, acknowledgements, errors."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final

from facedex.media.matroska import contents, ebml, tags
from facedex_local.aws.kinesis_video.errors import Refused
from facedex_local.aws.kinesis_video.ingest import Acknowledgement
from facedex_local.aws.kinesis_video.passages import Passage
from facedex_local.http.gateway import Answer, Environ
from facedex_local.http.refusals import refuse

_PIECE: Final = 64 * 1024
# The service's own sentence for it, and its code.
_NOT_FOUND: Final = ("Requested fragment is not found", "4000")
_STATUSES: Final = {
    "ResourceNotFoundException": HTTPStatus.NOT_FOUND,
    "NotAuthorizedException": HTTPStatus.UNAUTHORIZED,
    "ServiceUnavailableException": HTTPStatus.SERVICE_UNAVAILABLE,
}


def write_passage(passage: Passage) -> Iterator[bytes]:
    """A part of a fragment, with the tags that belong before and behind it."""
    fragment = passage.fragment
    if passage.begins:
        yield fragment.header
        yield contents.write_tags(
            {
                tags.NUMBER: fragment.number,
                tags.SERVER_TIMESTAMP: f"{fragment.server_timestamp:.3f}",
                tags.PRODUCER_TIMESTAMP: f"{fragment.producer_timestamp:.3f}",
                **fragment.tags,
            }
        )
        yield ebml.endless(ebml.CLUSTER)
    for piece in passage.pieces:
        # A large write would be copied once for each packet that leaves.
        yield from (piece[at : at + _PIECE] for at in range(0, len(piece), _PIECE))
    if passage.ends:
        yield contents.write_tags(
            {
                tags.MILLIS_BEHIND_NOW: str(passage.millis_behind),
                tags.CONTINUATION_TOKEN: fragment.number,
            }
        )


def write_not_found() -> bytes:
    """What is read instead of media where the fragment to start from is not there."""
    code, number = _NOT_FOUND
    header = ebml.element(ebml.EBML, b"") + ebml.endless(ebml.SEGMENT)
    return header + contents.write_tags({tags.ERROR_CODE: code, tags.ERROR_ID: number})


def write_acknowledgements(acknowledgements: Iterable[Acknowledgement]) -> Iterator[bytes]:
    """A line of JSON for each."""
    for each in acknowledgements:
        said: dict[str, Any] = {"EventType": each.event.value}
        if each.timecode is not None:
            said["FragmentTimecode"] = each.timecode
            said["FragmentNumber"] = each.number
        if each.fault:
            said["ErrorId"] = each.fault.value
            said["ErrorCode"] = each.fault.name
        yield json.dumps(said, separators=(",", ":")).encode() + b"\n"


def refused(environ: Environ, error: Refused) -> Answer:
    """A refusal, as SDKs understand it."""
    status = _STATUSES.get(error.code, HTTPStatus.BAD_REQUEST)
    answer = refuse(environ, status, error.code, str(error))
    return replace(answer, headers=[*answer.headers, ("x-amzn-ErrorType", error.code)])
