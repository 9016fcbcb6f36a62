"""Opening of films with FFmpeg, without access to other files or the network."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Final, NoReturn

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from facedex.media import boxes, truncation
from facedex.media.film_errors import FilmError
from facedex.media.ranges import Source

# Containers that are one file with timestamps. Formats that make FFmpeg open other files, such as
# playlists (HLS, DASH, concat) and numbered pictures, are excluded.
FORMATS: Final = (*("mov", "matroska", "avi", "mpegts", "mpeg", "flv", "asf", "ogg", "mxf", "ivf"),)
NAMES: Final = "MP4, MOV, MKV, WebM, AVI, MPEG-TS, MPEG-PS, FLV, ASF, Ogg, MXF and IVF"

# The maximum of H.264 (level 6.2) is 35.6 megapixels; larger frames may be meant to exhaust memory.
MOST_PIXELS: Final = 8192 * 4352

_OPTIONS: Final = {
    "format_whitelist": ",".join(FORMATS),
    "protocol_whitelist": "none",
    "max_pixels": str(MOST_PIXELS),
    "threads": "1",
}


@contextmanager
def open_film(source: Source) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a film and its first video track.

    Raises:
        FilmError: if the file is not a readable video, or is truncated or encrypted.
    """
    boxes.check(source, truncation.size_of(source))
    source.seek(0)
    try:
        container = av.open(
            source,
            "r",
            options=_OPTIONS,
            io_open=_refuse,
            metadata_errors="ignore",
        )
    except (av.error.FFmpegError, EOFError) as error:
        truncation.check(source)
        raise FilmError(
            f"The file is not a video that can be read; supported formats are {NAMES}."
        ) from error
    with container:
        yield container, _moving_pictures(container)


def _refuse(*_: object) -> NoReturn:
    raise FilmError("The video refers to another file; only videos in one file are supported.")


def _moving_pictures(container: InputContainer) -> VideoStream:
    still = Disposition.attached_pic | Disposition.still_image
    tracks = [track for track in container.streams.video if not track.disposition & still]
    if not tracks:
        raise FilmError("The file has no video track.")
    # The codec context is missing if FFmpeg knows the codec but cannot decode it.
    track = next((track for track in tracks if track.codec_context is not None), None)
    if track is None or not track.codec_context.width:
        raise FilmError("The video's codec is not supported; use H.264.")
    for other in container.streams:
        if other.index != track.index:
            other.discard = av.stream.Discard.all
    track.codec_context.options = {"max_pixels": str(MOST_PIXELS)}
    track.codec_context.thread_count = 1
    return track


class Clock:
    """Conversion between the film's time in milliseconds and a track's time in ticks.

    As in players, the film's time begins with its earliest track.
    """

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        tick = stream.time_base or Fraction(1, 1000)  # seconds
        begin = Fraction(container.start_time or 0, av.time_base)
        if begin < 0:  # only sound may start before 0 without being played; pictures are shown
            begin = min(Fraction(0), (stream.start_time or 0) * tick)
        # Called for every packet: integers are ten times as fast as fractions.
        step, half = 1000 * tick, Fraction(1, 2) - 1000 * begin
        self._divisor = math.lcm(step.denominator, half.denominator)
        self._factor = int(step * self._divisor)
        self._shift = int(half * self._divisor)
        self._tick, self._begin = tick, begin

    def milliseconds(self, ticks: int) -> int:
        """Return the film's time at a timestamp of the track, rounded to milliseconds."""
        return (ticks * self._factor + self._shift) // self._divisor

    def ticks(self, milliseconds: int) -> int:
        """Return the last timestamp of the track at or before a time of the film."""
        return math.floor((Fraction(milliseconds, 1000) + self._begin) / self._tick)
