"""RTSP cameras, read as the same events as a Kinesis video stream."""

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

from facedex.media.decoding import CODECS
from facedex.media.matroska.contents import Track
from facedex.media.matroska.errors import NoVideo
from facedex.media.matroska.live import Coded, Ending, Event, Opening

_CONNECT: Final = 10.0  # seconds
_SILENCE: Final = 10.0  # seconds without a packet after which the camera counts as gone
_LONGEST: Final = 10.0  # seconds of a fragment, as in Kinesis Video Streams
_NAMES: Final = {name: codec for codec, name in CODECS.items()}
_OPTIONS: Final = {
    # FFmpeg may connect to the camera only, whatever the camera answers.
    "protocol_whitelist": "rtsp,rtp,udp,tcp",
    # Over one TCP connection, which passes firewalls; over UDP where the camera has no TCP.
    "rtsp_flags": "prefer_tcp",
    "fflags": "nobuffer",
    "analyzeduration": "1000000",
}


# RTSP has HTTP's status codes.
_REFUSALS: Final[tuple[tuple[type[FFmpegError], str], ...]] = (
    (HTTPUnauthorizedError, "The camera wants another user or password (401 Unauthorized)."),
    (HTTPForbiddenError, "The camera may not be watched (403 Forbidden)."),
    (HTTPNotFoundError, "The camera has nothing at this path of its address (404 Not Found)."),
)


class CameraLost(Exception):
    """The camera does not answer, or stopped answering; it may come back."""


class CameraRefused(Exception):
    """The camera refuses to be read; the message is a sentence for its owner."""


def watch_camera(address: str, ended: Callable[[], bool]) -> Iterator[Event]:
    """Yield the events of a camera's video track, until it ends or ``ended`` returns true.

    A fragment begins at a key frame. Its number and its time come from this machine's clock.

    Args:
        address: ``rtsp://…``, with user and password if needed; it appears in no message.
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
    opening: Opening | None = None
    first = 0.0
    count = 0
    for packet in packets:
        if ended():
            return
        if not packet.size or packet.time_base is None:
            continue
        stamp = packet.pts if packet.pts is not None else packet.dts
        now = time.time()
        at = now if stamp is None else float(stamp * packet.time_base)
        if opening is None or packet.is_keyframe or not -1 < at - first < _LONGEST:
            if opening is not None:
                yield Ending(opening.number, None, None)
            count += 1
            opening, first = Opening(_number(now, count), now, now, (track,)), at
            yield opening
        yield Coded(track.number, max(0.0, at - first), packet.is_keyframe, bytes(packet))


def _number(now: float, count: int) -> str:
    """Return a fragment number that rises, as long as those of Kinesis Video Streams."""
    return f"{int(now * 1000):036}{count % 10**11:011}"
