"""How a player shows a video file: which track, and how its pictures are turned and cut."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Final

import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from facedex.media import tracks
from facedex.media.clocks import demux
from facedex.media.films import MOST_PACKETS
from facedex.media.orientation import LONGEST_SIDE, is_upright, pixel_aspect, reformat, turn

_SIMILAR: Final = 0.02  # share by which two shapes of a pixel may differ without being noticed
_FEW: Final = 2  # pictures before the first or after the last that is shown: rounding


@dataclass(frozen=True, slots=True)
class Showing:
    """How a player shows a source.

    Attributes:
        track: index of the track that is shown; None for the first with video.
        change: what a player does to the pictures because the file says so, as a clause; None if it
            shows all of them as their codec states.
    """

    track: int | None = None
    change: str | None = None

    def stream(self, container: InputContainer) -> VideoStream:
        """Return the track in the opened source."""
        videos = container.streams.video
        return next((each for each in videos if each.index == self.track), videos[0])


def find_track(container: InputContainer) -> int:
    """Return the index of the track that a player shows.

    Raises:
        FilmError: if there is none that can be decoded.
    """
    stream, _ = tracks.choose(container)
    return stream.index


def examine(container: InputContainer, track: int) -> Showing:
    """Return how a player shows a file, of which nothing has been read."""
    stream = Showing(track).stream(container)
    change = None
    if _cuts(stream):
        change = "parts of the video are not shown"
    elif abs(pixel_aspect(stream) / pixel_aspect(stream.codec_context) - 1) > _SIMILAR:
        change = "the video's pixels are not as wide as its codec states"
    else:
        frame = _first_frame(container, stream)
        if frame is not None and not is_upright(frame):
            change = "the video's pictures are turned when they are shown"
    return Showing(track, change)


def as_shown(frame: VideoFrame, aspect: float) -> VideoFrame:
    """Return a decoded frame upright and with square pixels, as large as it is analysed.

    Args:
        frame: the frame.
        aspect: width of its pixels divided by their height.
    """
    if is_upright(frame) and abs(aspect - 1) <= _SIMILAR:
        return frame
    width, height = frame.width * aspect, float(frame.height)
    scale = min(1.0, LONGEST_SIDE / max(width, height))
    # Even, because a pixel of colour belongs to two columns and two rows.
    columns, rows = (max(2, round(side * scale / 2) * 2) for side in (width, height))
    picture = reformat(frame, columns, rows, "yuv420p", color_range=frame.color_range)
    pixels = np.asarray(picture.to_ndarray(), dtype=np.uint8).reshape(-1)
    # Three planes, one after the other; those of colours have half the columns and rows.
    planes = np.split(pixels, [rows * columns, rows * columns * 5 // 4])
    sizes = [(rows, columns, 1), *2 * [(rows // 2, columns // 2, 1)]]
    turned = [turn(plane.reshape(size), frame) for plane, size in zip(planes, sizes, strict=True)]
    rows, columns, _ = turned[0].shape
    joined = np.concatenate([plane.reshape(-1) for plane in turned])
    shown = VideoFrame.from_ndarray(joined.reshape(rows * 3 // 2, columns), format="yuv420p")
    shown.colorspace, shown.color_range = frame.colorspace, frame.color_range
    return shown


def _cuts(stream: VideoStream) -> bool:
    """Return whether the edit list of an MP4 leaves out pictures."""
    left_out = (entry for entry in stream.index_entries if entry.is_discard)
    return next(islice(left_out, _FEW, None), None) is not None


def _first_frame(container: InputContainer, stream: VideoStream) -> VideoFrame | None:
    for packet in islice(demux(container, stream), MOST_PACKETS):
        with suppress(FFmpegError):  # damage; a later picture may be intact
            for frame in packet.decode():
                return frame
    return None
