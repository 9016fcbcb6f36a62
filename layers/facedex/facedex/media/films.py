"""Properties of a film, found by reading only a small part of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from facedex.media import measuring, orientation, recordings, truncation
from facedex.media.clocks import Clock, demux
from facedex.media.film_errors import FilmError
from facedex.media.opening import open_film
from facedex.media.ranges import Source
from facedex.media.recordings import Recording, Window

LARGEST: Final = 10 * 1024**3  # bytes; Rekognition's limit for a stored video
MOST_PACKETS: Final = 250  # maximum number to read before the first frame
FULL_RANGE: Final = 2  # AVCOL_RANGE_JPEG

_CUT_OFF: Final = "The video is cut off: {}; what is there was searched."
_SHORT: Final = "The pictures end after {:.1f} of the {:.1f} seconds that the file declares."
_FAILURES: Final = "The file is damaged: reading failed at {} places."
_HOLES: Final = "The file is damaged: {} bytes between its pictures could not be read."
_GAPS: Final = "Fragments of the file are missing: {:.1f} seconds of the film have no pictures."
_REST: Final = "The last {} % of the file contain no pictures that a player shows."
_TRACKS: Final = "The file has {} video tracks that may be the film; only track {} was searched."
_UNREADABLE: Final = "The bytes {} to {} of the file were not searched: {}"


@dataclass(frozen=True, slots=True)
class Film:
    """Properties of a film that are known before its frames are decoded.

    Attributes:
        container, codec: FFmpeg's names, such as ``mov,mp4,m4a,3gp,3g2,mj2`` and ``h264``.
        format: the container's full name, such as ``QuickTime / MOV``.
        duration: ms.
        frame_rate: frames per second; the mean if it varies.
        width, height: pixels of the upright picture.
        color_range: ``FULL`` or ``LIMITED``.
        key_frames: times, in ms, at which decoding can start; empty if the file does not list them.
            Segments may begin anywhere; beginning at key frames only saves decoding.
        recordings: the recordings in the file, in order. All are searched.
        remarks: one sentence for each part of the film that is missing or not searched.
    """

    container: str
    format: str
    codec: str
    duration: int
    frame_rate: float
    width: int
    height: int
    color_range: str
    key_frames: tuple[int, ...]
    recordings: tuple[Recording, ...]
    remarks: tuple[str, ...] = ()


def probe(source: Source, *, heartbeat: Callable[[int], None] | None = None) -> Film:
    """Read a film's properties from its headers, its index and its first frames.

    A file without an index of all its frames is read to its end, but not decoded; ``heartbeat`` is
    then called with the position, in ms. What is missing, or not searched, is in the remarks.

    Raises:
        FilmError: if the file cannot be analysed: it is too large, too long, empty or encrypted,
            has no video track, or is not a video that FFmpeg can read.
    """
    size = truncation.size_of(source)
    if not size:
        raise FilmError("The file is empty: it has 0 bytes.")
    if size > LARGEST:
        raise FilmError(f"The video has {size} bytes; at most {LARGEST} (10 GiB) are analysed.")
    film: Film | None = None
    while film is None or film.recordings[-1].end < size:
        first = film.recordings[-1].end if film else 0
        if film and recordings.is_padding(source, first):
            break
        try:
            film = _with_next(film, source, first, size, heartbeat)
        except FilmError as error:
            if film is None:
                raise
            return replace(film, remarks=(*film.remarks, _UNREADABLE.format(first, size, error)))
        if film.duration > measuring.LONGEST:
            raise measuring.too_long(film.duration)
        if len(film.recordings) > recordings.MOST:
            raise FilmError(
                f"The file consists of more than {recordings.MOST} recordings; upload them as"
                " separate files."
            )
    return film


def _with_next(
    film: Film | None,
    source: Source,
    first: int,
    size: int,
    heartbeat: Callable[[int], None] | None,
) -> Film:
    """Return the film with the recording that begins at a position of the file."""
    start = film.duration if film else 0
    end, fragmented = recordings.end_of_mp4(Window(source, first, size), size - first)
    part = Window(source, first, first + end)
    with open_film(part) as (container, stream, count):
        clock = Clock(container, stream)
        try:
            key_time, frame = _first_frame(container, stream)
        except FilmError:
            if missing := truncation.shortfall(part, stream, end):
                raise truncation.cut_off(missing) from None
            raise
        extent, missing = None, None
        if "mp4" in container.format.name and not fragmented:
            extent = measuring.by_index(container, stream, clock, key_time, end)
            missing = truncation.shortfall(part, stream, end)
        if extent is None:
            with open_film(part, track=stream.index) as (fresh, track, _):
                extent = measuring.by_reading(part, fresh, track, end, heartbeat)
                missing = truncation.shortfall(part, track, extent.end)
        duration, remarks = extent.duration, []
        if missing:
            remarks.append(_CUT_OFF.format(missing))
        elif extent.declared and extent.ends_early:
            remarks.append(_SHORT.format(duration / 1000, extent.declared / 1000))
        else:
            duration = max(duration, extent.declared or 0)
        if extent.failures:
            remarks.append(_FAILURES.format(extent.failures))
        if extent.unread:
            remarks.append(_HOLES.format(extent.unread))
        if extent.missing:
            remarks.append(_GAPS.format(extent.missing))
        if extent.rest and not remarks:
            remarks.append(_REST.format(extent.rest))
        recording = Recording(
            first, first + extent.end, start, duration, stream.index, extent.steady
        )
        if count > 1:
            remarks.append(_TRACKS.format(count, stream.index))
        key_frames = tuple(start + each for each in extent.key_frames)
        if film:
            return replace(
                film,
                duration=start + duration,
                key_frames=film.key_frames + key_frames,
                recordings=(*film.recordings, recording),
                remarks=(*film.remarks, *remarks),
            )
        width, height = orientation.upright_size(frame)
        return Film(
            container=container.format.name,
            format=container.format.long_name,
            codec=stream.codec.canonical_name,
            duration=duration,
            frame_rate=float(stream.average_rate or stream.guessed_rate or 0),
            width=width,
            height=height,
            color_range="FULL" if frame.color_range == FULL_RANGE else "LIMITED",
            key_frames=key_frames,
            recordings=(recording,),
            remarks=tuple(remarks),
        )


def _first_frame(container: InputContainer, stream: VideoStream) -> tuple[int | None, VideoFrame]:
    """Return the timestamp of the first key frame and the first frame that can be decoded."""
    first: int | None = None
    for number, packet in enumerate(demux(container, stream)):
        if packet.has_sidedata("encryption_info"):
            raise FilmError("The video is encrypted; upload it without DRM.")
        if first is None and packet.is_keyframe:
            first = packet.pts
        try:
            frames = packet.decode()
        except av.error.FFmpegError:  # damage at the start; later frames may be intact
            frames = []
        if frames:
            return first, frames[0]
        if number >= MOST_PACKETS:
            break
    raise FilmError(
        f"No frame of the video can be decoded ({stream.codec.canonical_name}); the file is damaged"
        f" or has pictures of more pixels than are decoded."
    )
