"""How a player shows a video file: which track, and how its pictures are turned and cut."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Final

from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from facedex.media import tracks
from facedex.media.clocks import demux
from facedex.media.films import MOST_PACKETS
from facedex.media.orientation import is_upright, pixel_aspect

SIMILAR: Final = 0.02  # share by which two shapes of a pixel may differ without being noticed
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
    elif abs(pixel_aspect(stream) / pixel_aspect(stream.codec_context) - 1) > SIMILAR:
        change = "the video's pixels are not as wide as its codec states"
    else:
        frame = _first_frame(container, stream)
        if frame is not None and not is_upright(frame):
            change = "the video's pictures are turned when they are shown"
    return Showing(track, change)


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
