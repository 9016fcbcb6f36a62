"""Parsing and validation of requests to Kinesis Video Streams."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from facedex_local.aws.kinesis_video.kinesis_video_errors import Refused
from facedex_local.aws.kinesis_video.passages import Selector, Start
from facedex_local.http.exchange import Exchange
from facedex_local.http.gateway import Environ

_LARGEST: Final = 64 * 1024  # bytes of a request that is JSON
_NAME: Final = re.compile(r"[a-zA-Z0-9_.-]{1,256}")
_ARN: Final = re.compile(
    r"arn:[a-z-]+:kinesisvideo:[a-z0-9-]+:[0-9]+:[a-z]+/[a-zA-Z0-9_.-]+/[0-9]+"
)
_NUMBER: Final = re.compile(r"[0-9]{1,128}")
_TOKEN: Final = re.compile(r"[a-zA-Z0-9_.-]{1,128}")


@dataclass(frozen=True, slots=True)
class Media:
    """The parameters of a PutMedia request.

    Attributes:
        stream: StreamName or StreamARN, as a request's members.
        began: time that the producer's timecodes are relative to, seconds since 1970; 0 if they
            are absolute.
    """

    stream: dict[str, str]
    began: float


async def read_json(exchange: Exchange) -> tuple[bytes, dict[str, Any]]:
    """Return the body of a request, as bytes and as a JSON object.

    Raises:
        Refused: if the body is too long or not a JSON object.
        Disconnected: if the client has disconnected.
    """
    body = await exchange.read(_LARGEST)
    if body is None:
        raise Refused("InvalidArgumentException", f"The request has more than {_LARGEST} bytes.")
    try:
        found = json.loads(body or b"{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Refused("InvalidArgumentException", "The request's body must be a JSON object.")
    return body, found


def read_stream(members: dict[str, Any]) -> dict[str, str]:
    """Return the member that names the stream.

    Raises:
        Refused: if neither or both of StreamName and StreamARN are present, or one is invalid.
    """
    name, arn = members.get("StreamName"), members.get("StreamARN")
    if (name is None) == (arn is None):
        raise Refused(
            "InvalidArgumentException", "Name the stream by either StreamName or StreamARN."
        )
    if name is not None:
        _require(name, _NAME, "StreamName")
        return {"StreamName": name}
    _require(arn, _ARN, "StreamARN")
    return {"StreamARN": str(arn)}


def read_start(members: dict[str, Any]) -> Start:
    """Return the start selector of a GetMedia request.

    Raises:
        Refused: if the selector is incomplete or invalid.
    """
    given = members.get("StartSelector")
    if not isinstance(given, dict):
        raise Refused("InvalidArgumentException", "StartSelector is missing.")
    try:
        selector = Selector(given.get("StartSelectorType"))
    except ValueError:
        names = ", ".join(each.value for each in Selector)
        raise Refused(
            "InvalidArgumentException", f"StartSelectorType must be one of {names}."
        ) from None
    match selector:
        case Selector.FRAGMENT_NUMBER:
            _require(given.get("AfterFragmentNumber"), _NUMBER, "AfterFragmentNumber")
            return Start(selector, number=given["AfterFragmentNumber"])
        case Selector.CONTINUATION_TOKEN:
            _require(given.get("ContinuationToken"), _TOKEN, "ContinuationToken")
            return Start(selector, number=given["ContinuationToken"])
        case Selector.SERVER_TIMESTAMP | Selector.PRODUCER_TIMESTAMP:
            return Start(selector, timestamp=_timestamp(given.get("StartTimestamp")))
    return Start(selector)


def read_media(environ: Environ) -> Media:
    """Return the parameters in the headers of a PutMedia request.

    Raises:
        Refused: if a header is missing or invalid.
    """
    named = {
        "StreamName": environ.get("HTTP_X_AMZN_STREAM_NAME"),
        "StreamARN": environ.get("HTTP_X_AMZN_STREAM_ARN"),
    }
    stream = read_stream({name: value for name, value in named.items() if value})
    kind = environ.get("HTTP_X_AMZN_FRAGMENT_TIMECODE_TYPE", "")
    if kind not in ("ABSOLUTE", "RELATIVE"):
        raise Refused(
            "InvalidArgumentException",
            "x-amzn-fragment-timecode-type must be ABSOLUTE or RELATIVE.",
        )
    if kind == "ABSOLUTE":
        return Media(stream, 0.0)
    started = environ.get("HTTP_X_AMZN_PRODUCER_START_TIMESTAMP", "")
    try:
        return Media(stream, _timestamp(float(started)))
    except ValueError:
        raise Refused(
            "InvalidArgumentException",
            "x-amzn-producer-start-timestamp must be seconds since 1970, such as 1510861000.250.",
        ) from None


def _require(value: Any, pattern: re.Pattern[str], name: str) -> None:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise Refused(
            "InvalidArgumentException", f"{name} is missing or not of the form {pattern.pattern}."
        )


def _timestamp(value: Any) -> float:
    """Return a time in an SDK's format as seconds since 1970."""
    try:
        seconds = (
            datetime.fromisoformat(value).timestamp() if isinstance(value, str) else float(value)
        )
    except (TypeError, ValueError, OverflowError):
        seconds = math.nan
    if not math.isfinite(seconds):
        raise Refused("InvalidArgumentException", "StartTimestamp is missing or invalid.")
    return seconds
