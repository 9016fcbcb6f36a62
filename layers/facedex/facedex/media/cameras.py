"""Reading of RTSP cameras, as the same events as a Kinesis video stream."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final

import av
from av.error import (
    FFmpegError,
    HTTPForbiddenError,
    HTTPNotFoundError,
    HTTPUnauthorizedError,
)
from av.video.stream import VideoStream

from facedex.media.camera_clock import CameraClock
from facedex.media.decoding import CODECS
from facedex.media.matroska.contents import Track
from facedex.media.matroska.live import Coded, Ending, Event, Opening
from facedex.media.matroska.matroska_errors import NoVideo

_CONNECT: Final = 10.0  # seconds
_SILENCE: Final = 10.0  # seconds without a packet after which the camera counts as lost
_LONGEST: Final = 10.0  # seconds; longest fragment, as in Kinesis Video Streams
_REORDERED: Final = 1.0  # seconds by which a packet's picture may be shown before earlier packets'
_NAMES: Final = {name: codec for codec, name in CODECS.items()}
_OPTIONS: Final = {
    # FFmpeg may connect to the camera only, whatever the camera answers.
    "protocol_whitelist": "rtsp,rtp,udp,tcp",
    # One TCP connection, which passes firewalls; UDP only if the camera does not support TCP.
    "rtsp_flags": "prefer_tcp",
    # With sound, a camera whose video stops would not be silent, and times would follow two clocks.
    "allowed_media_types": "video",
    "fflags": "nobuffer",
    "analyzeduration": "1000000",
}


# RTSP has HTTP's status codes.
_REFUSALS: Final[tuple[tuple[type[FFmpegError], str], ...]] = (
    (
        HTTPUnauthorizedError,
        "The camera rejected the user name or the password (401 Unauthorized).",
    ),
    (HTTPForbiddenError, "The camera denied access (403 Forbidden)."),
    (HTTPNotFoundError, "The camera has no stream at this path of its URL (404 Not Found)."),
)


class CameraLost(Exception):
    """The camera does not answer, or has stopped answering; it may recover."""


class CameraRefused(Exception):
    """The camera refuses access; the message is a sentence for its owner."""


def watch_camera(address: str, ended: Callable[[], bool]) -> Iterator[Event]:
    """Yield the events of a camera's video track, until it ends or ``ended`` returns true.

    A fragment begins at a key frame. Its number and its time are of this machine's clock; the times
    of pictures go back only if the camera's do, and do not depend on how late a packet is read.

    Args:
        address: ``rtsp://…``, with user and password if needed; no message contains it.
        ended: called at each packet.

    Raises:
        CameraLost: if the camera does not answer, or stops answering.
        CameraRefused: if the camera refuses access.
        NoVideo: if the camera has no video track.
    """
    try:
        with av.open(
            address, "r", format="rtsp", options=dict(_OPTIONS), timeout=(_CONNECT, _SILENCE)
        ) as container:
            if not container.streams.video or not container.streams.video[0].codec_context:
                raise NoVideo("The camera has no video that can be decoded.")
            stream = container.streams.video[0]
            yield from _events(container.demux(stream), stream, ended)
    except FFmpegError as error:
        for kind, sentence in _REFUSALS:
            if isinstance(error, kind):
                raise CameraRefused(sentence) from None
        # FFmpeg's own message may contain the address.
        raise CameraLost(f"The camera does not answer ({type(error).__name__}).") from None
    except OSError as error:
        raise CameraLost(f"The camera does not answer ({type(error).__name__}).") from None


def _events(
    packets: Iterator[av.Packet[VideoStream]], stream: VideoStream, ended: Callable[[], bool]
) -> Iterator[Event]:
    context = stream.codec_context
    codec = _NAMES.get(context.name, context.name)
    track = Track(1, True, codec, context.extradata or b"", context.width, context.height)
    clock = CameraClock()
    opening: Opening | None = None
    first = latest = 0.0  # of the fragment's times by the camera's clock
    ahead = 0.0  # seconds by which the last packet was read after its time by the camera's clock
    count = 0
    for packet in packets:
        if ended():
            return
        if not packet.size or packet.time_base is None:
            continue
        stamp = packet.pts if packet.pts is not None else packet.dts
        now = time.time()
        at = now - ahead if stamp is None else float(stamp * packet.time_base)
        ahead = now - at
        jumped = opening is None or not -_REORDERED < at - latest < _LONGEST
        if jumped:
            clock.restart()
        clock.note(at, now)
        if opening is None or jumped or packet.is_keyframe or at - first >= _LONGEST:
            if opening is not None:
                yield Ending(opening.number, None, None)
            count += 1
            began = clock.open(at)
            opening, first, latest = Opening(_number(now, count), began, began, (track,)), at, at
            yield opening
        latest = max(latest, at)
        yield Coded(track.number, clock.offset(at), packet.is_keyframe, bytes(packet))


def _number(now: float, count: int) -> str:
    """Return an ascending fragment number, of the same length as in Kinesis Video Streams."""
    return f"{int(now * 1000):036}{count % 10**11:011}"
