"""Properties of a film, found by reading only a small part of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from facedex.media import orientation, truncation
from facedex.media.film_errors import FilmError
from facedex.media.opening import Clock, open_film
from facedex.media.ranges import Source

LARGEST: Final = 10 * 1024**3  # bytes; Rekognition's limit for a stored video
LONGEST: Final = 6 * 3600 * 1000  # ms; Rekognition's limit
MOST_PACKETS: Final = 250  # maximum number to read before the first frame
FULL_RANGE: Final = 2  # AVCOL_RANGE_JPEG


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


def probe(source: Source, *, heartbeat: Callable[[int], None] | None = None) -> Film:
    """Read a film's properties from its headers, its index and its first frames.

    A file that does not state its length is read to its end, but not decoded; ``heartbeat`` is then
    called with the position, in ms.

    Raises:
        FilmError: if the file cannot be analysed: it is too large, too long, empty, truncated or
            encrypted, has no video track, or is not a video that FFmpeg can read.
    """
    size = truncation.size_of(source)
    if not size:
        raise FilmError("The file is empty: it has 0 bytes.")
    if size > LARGEST:
        raise FilmError(f"The video has {size} bytes; at most {LARGEST} (10 GiB) are analysed.")
    with open_film(source) as (container, stream):
        truncation.check(source, stream)
        clock = Clock(container, stream)
        first, frame = _first_frame(container, stream)
        index = _index(container, stream)
        duration, key_frames = _span(container, stream, clock, first, index, heartbeat)
        if duration > LONGEST:
            raise FilmError(
                f"The video is {duration / 3_600_000:.1f} hours long; at most 6 are analysed."
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
        )


def _first_frame(container: InputContainer, stream: VideoStream) -> tuple[int | None, VideoFrame]:
    """Return the timestamp of the first key frame and the first frame that can be decoded."""
    first: int | None = None
    for number, packet in enumerate(container.demux(stream)):
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


def _index(container: InputContainer, stream: VideoStream) -> list[int]:
    """Return the timestamps of the key frames in the file's index."""
    if "matroska" in container.format.name and container.duration:
        # The index follows the frames; FFmpeg reads it at the first seek.
        container.seek(container.duration + (container.start_time or 0))
    entries = stream.index_entries
    # Of a fragmented file, FFmpeg knows only the fragments read so far; they are not an index.
    tick = stream.time_base or 0
    if (
        not len(entries)
        or entries[-1].timestamp * tick * av.time_base < (container.duration or 0) / 2
    ):
        return []
    return [entry.timestamp for entry in entries if entry.is_keyframe]


def _span(
    container: InputContainer,
    stream: VideoStream,
    clock: Clock,
    first: int | None,
    index: list[int],
    heartbeat: Callable[[int], None] | None,
) -> tuple[int, tuple[int, ...]]:
    """Return a film's duration and the times of its key frames, in ms."""
    if not container.duration or container.duration < 0:
        return _read_through(container, stream, clock, heartbeat)
    duration = container.duration // 1000
    if "matroska" in container.format.name:
        # In Matroska, this is the time of the end, on a clock that need not start at 0.
        duration -= max(0, container.start_time or 0) // 1000
    # An index may contain decoding times, but frames have display times. With most encoders, the
    # difference is the same for all key frames; otherwise, segments decode a little more.
    shift = first - index[0] if index and first is not None else 0
    key_frames = _ascending(clock.milliseconds(ticks + shift) for ticks in index)
    return max((duration, *key_frames[-1:])), key_frames


def _read_through(
    container: InputContainer,
    stream: VideoStream,
    clock: Clock,
    heartbeat: Callable[[int], None] | None,
) -> tuple[int, tuple[int, ...]]:
    container.seek(container.start_time or 0)
    end, key_frames = 0, []
    for packet in container.demux(stream):
        if packet.pts is None:
            continue
        at = clock.milliseconds(packet.pts)
        end = max(end, clock.milliseconds(packet.pts + (packet.duration or 0)))
        if packet.is_keyframe:
            key_frames.append(at)
            if heartbeat:
                heartbeat(at)
    return end, _ascending(key_frames)


def _ascending(moments: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted({max(0, moment) for moment in moments}))
