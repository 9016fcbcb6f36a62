"""Opening of films with FFmpeg, without access to other files or the network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple, NoReturn

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from facedex.media import boxes, tracks, truncation
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


class Opened(NamedTuple):
    """An opened film: its file, the track that is the film, and the number of such tracks."""

    container: InputContainer
    stream: VideoStream
    films: int


@contextmanager
def open_film(source: Source, *, track: int | None = None) -> Iterator[Opened]:
    """Open a film and the track that is the film.

    Args:
        source: the file.
        track: number of the track; None to choose it.

    Raises:
        FilmError: if the file is not a readable video, or is truncated or encrypted.
    """
    count = 1
    boxes.check(source, truncation.size_of(source))
    if track is None:
        with _open(source) as container:
            chosen, count = tracks.choose(container)  # may read far ahead
            track = chosen.index
    with _open(source) as container:
        known = [stream for stream in container.streams.video if stream.index == track]
        if not known or known[0].codec_context is None:
            raise FilmError("The file is damaged: its video track cannot be found again.")
        for other in container.streams:
            if other.index != track:
                other.discard = av.stream.Discard.all
        known[0].codec_context.options = {"max_pixels": str(MOST_PIXELS)}
        known[0].codec_context.thread_count = 1
        yield Opened(container, known[0], count)


def _open(source: Source) -> InputContainer:
    source.seek(0)
    try:
        return av.open(
            source,
            "r",
            options=_OPTIONS,
            io_open=_refuse,
            metadata_errors="ignore",
        )
    except (av.error.FFmpegError, EOFError) as error:
        truncation.refuse(source)
        raise FilmError(
            f"The file is not a video that can be read; supported formats are {NAMES}."
        ) from error


def _refuse(*_: object) -> NoReturn:
    raise FilmError("The video refers to another file; only videos in one file are supported.")
