"""Responses of Kinesis Video Streams: fragments as Matroska, acknowledgements, errors."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final

from facedex.media.matroska import contents, ebml, tags
from facedex_local.aws.kinesis_video.ingest import Acknowledgement
from facedex_local.aws.kinesis_video.kinesis_video_errors import Refused
from facedex_local.aws.kinesis_video.passages import Passage
from facedex_local.http.gateway import Answer, Environ
from facedex_local.http.refusals import refuse

_PIECE: Final = 64 * 1024
# The service's message and code.
_NOT_FOUND: Final = ("Requested fragment is not found", "4000")
_STATUSES: Final = {
    "ResourceNotFoundException": HTTPStatus.NOT_FOUND,
    "NotAuthorizedException": HTTPStatus.UNAUTHORIZED,
    "ServiceUnavailableException": HTTPStatus.SERVICE_UNAVAILABLE,
}


def write_passage(passage: Passage) -> Iterator[bytes]:
    """Return a part of a fragment, with the tags before and after it."""
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
        # A large write would be copied once for each packet that is sent.
        yield from (piece[at : at + _PIECE] for at in range(0, len(piece), _PIECE))
    if passage.ends:
        yield contents.write_tags(
            {
                tags.MILLIS_BEHIND_NOW: str(passage.millis_behind),
                tags.CONTINUATION_TOKEN: fragment.number,
            }
        )


def write_not_found() -> bytes:
    """Return the response for a start fragment that is not in memory."""
    code, number = _NOT_FOUND
    header = ebml.element(ebml.EBML, b"") + ebml.endless(ebml.SEGMENT)
    return header + contents.write_tags({tags.ERROR_CODE: code, tags.ERROR_ID: number})


def write_acknowledgements(acknowledgements: Iterable[Acknowledgement]) -> Iterator[bytes]:
    """Yield a line of JSON for each acknowledgement."""
    for each in acknowledgements:
        fields: dict[str, Any] = {"EventType": each.event.value}
        if each.timecode is not None:
            fields["FragmentTimecode"] = each.timecode
            fields["FragmentNumber"] = each.number
        if each.fault:
            fields["ErrorId"] = each.fault.value
            fields["ErrorCode"] = each.fault.name
        yield json.dumps(fields, separators=(",", ":")).encode() + b"\n"


def refused(environ: Environ, error: Refused) -> Answer:
    """Return an error response that SDKs understand."""
    status = _STATUSES.get(error.code, HTTPStatus.BAD_REQUEST)
    answer = refuse(environ, status, error.code, str(error))
    return replace(answer, headers=[*answer.headers, ("x-amzn-ErrorType", error.code)])
