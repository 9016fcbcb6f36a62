"""The sampled frames of a segment, in display order."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from facedex.media import orientation
from facedex.media.clocks import (
    RESTARTING,
    Clock,
    Jumps,
    demux,
    mended,
    usual_duration,
    without_repetitions,
)
from facedex.media.damage import Damage, Watch
from facedex.media.display_order import DisplayOrder, corrected, is_misguessed
from facedex.media.opening import open_film
from facedex.media.ranges import Source
from facedex.media.recordings import Recording, window
from facedex.media.segments import Grid, Segment
from facedex.vision.images import Image

# Distances before a segment's start, in ms, at which to look for a key frame, nearest first.
STEPS_BACK: Final = (0, 1_000, 4_000, 15_000, 60_000, 300_000)
LONG_BEFORE: Final = 10  # seconds
MOST_AHEAD: Final = 32  # packets read before one is decoded: twice the number that H.264 reorders


def sample(
    source: Source,
    segment: Segment,
    grid: Grid,
    recordings: Sequence[Recording] = (),
    damage: Damage | None = None,
) -> Iterator[tuple[int, Image]]:
    """Yield the time in ms and the picture of the first frame in each cell of the grid.

    Args:
        source: the film's file.
        segment: the segment, which lies in one recording.
        grid: the cells.
        recordings: the recordings in the file; none if it is one.
        damage: counts what cannot be decoded.

    Raises:
        FilmError: if the file cannot be opened.
    """
    recording = next((each for each in reversed(recordings) if each.start <= segment.start), None)
    if recording:
        source = window(source, recording)
    with open_film(source, track=recording.track if recording else None) as (container, stream, _):
        clock = Clock(container, stream, start=recording.start if recording else 0)
        aspect = orientation.pixel_aspect(stream)
        last: int | None = None
        watch = Watch(damage or Damage(), clock, segment, grid)
        if recording is None or recording.steady:
            begin = recording.start if recording else 0
            packets = _packets(container, stream, clock, segment.start, begin, watch)
        else:
            packets = demux(container, stream, failed=watch.interrupt)
            packets = mended(packets, Jumps(container, stream))
        order = DisplayOrder() if is_misguessed(container, stream) else None
        packets = corrected(container, stream, packets)
        if container.format.name in RESTARTING:
            packets = without_repetitions(packets)
        for frame in _decode(packets, clock, grid, watch, order):
            at = clock.milliseconds(frame.pts or 0)
            if at >= segment.end:
                break
            cell = grid.cell(at)
            if at >= segment.start and (last is None or cell > last):
                try:
                    image = orientation.to_image(frame, pixel_aspect=aspect)
                except av.error.FFmpegError:  # damage that the decoder has not noticed
                    watch.interrupt()
                    continue
                last = cell
                watch.see(cell)
                yield at, image
        watch.end()


def _packets(
    container: InputContainer,
    stream: VideoStream,
    clock: Clock,
    start: int,
    begin: int,
    watch: Watch,
) -> Iterator[Packet[VideoStream]]:
    """Yield the track's packets, beginning with a key frame displayed at or before ``start``.

    Args:
        container, stream, clock: the recording.
        start: the time at which the segment begins, ms.
        begin: the time at which the recording begins, ms.
        watch: notes where reading fails.
    """
    read = partial(demux, container, stream, failed=watch.interrupt)
    for back in STEPS_BACK if start > begin else ():
        try:
            container.seek(clock.ticks(max(begin, start - back)), stream=stream)
        except av.error.FFmpegError:  # the container cannot seek there
            break
        packets = read()
        for packet in packets:
            if packet.is_keyframe and packet.pts is not None:
                break
        else:
            continue
        # Before each part of an MP4's edit list are frames to decode it from, which are not shown.
        # Their times are those of frames of an earlier part, which must not be skipped.
        if clock.milliseconds(packet.pts) <= start and not packet.is_discard:
            yield packet
            yield from packets
            return
        if start - begin <= back:
            break
    if start > begin and not _rewind(container, stream):
        watch.interrupt()
    yield from read()


def _rewind(container: InputContainer, stream: VideoStream) -> bool:
    """Seek to the first packet, whose decoding time may be earlier than the start of the film.

    Returns:
        False if a damaged file cannot be rewound.
    """
    begin = min(stream.start_time or 0, 0) - math.ceil(LONG_BEFORE / (stream.time_base or 1))
    try:
        container.seek(begin, stream=stream)
    except av.error.FFmpegError:
        return False
    return True


def _decode(
    packets: Iterator[Packet[VideoStream]],
    clock: Clock,
    grid: Grid,
    watch: Watch,
    order: DisplayOrder | None,
) -> Iterator[VideoFrame]:
    """Decode packets, except frames that no other frame refers to and that are not first in a cell.

    Like a player, it continues after damage, which is counted. With an ``order``, all frames are
    decoded, as it is not known before which are first in their cells.
    """
    shown: int | None = None  # timestamp of the latest frame
    chosen = ((packet, True) for packet in packets) if order else _needed(packets, clock, grid)
    for packet, needed in chosen:
        if order:
            order.enter(packet)
        context = packet.stream.codec_context
        context.skip_frame = "DEFAULT" if needed else "NONREF"
        try:
            frames = context.decode(packet if packet.size else None)
        except EOFError:
            break
        except av.error.FFmpegError:
            watch.fail(packet)
            continue
        if packet.is_corrupt:
            watch.fail(packet)
        elif needed:
            watch.expect(packet)
        for frame in frames:
            if order:
                frame.pts = order.time(frame)
            if frame.pts is None and shown is not None:
                # As in players, a picture without a time of its own follows the one before it.
                frame.pts = shown + (frame.duration or usual_duration(packet.stream))
            shown = frame.pts
            if shown is not None:
                yield frame


def _needed(
    packets: Iterator[Packet[VideoStream]], clock: Clock, grid: Grid
) -> Iterator[tuple[Packet[VideoStream], bool]]:
    """Yield each packet, and whether its frame may be the first displayed in its cell.

    Packets come in decoding order. When the decoding times have reached a time, all frames
    displayed before it have been read. MPEG streams may have packets without a time: each of their
    frames is needed, and each frame near them, from which their times are counted.
    """
    waiting: deque[tuple[Packet[VideoStream], int | None]] = deque()
    first: dict[int, int] = {}  # by cell, the lowest timestamp read so far
    near = 0  # packets until frames are far from all packets without a time
    for packet in packets:
        pts, dts = packet.pts, packet.dts
        near = 2 * MOST_AHEAD if pts is None and packet.size else max(0, near - 1)
        waiting.append((packet, pts))
        if pts is not None and not packet.is_discard:
            cell = grid.cell(clock.milliseconds(pts))
            first[cell] = min(pts, first.get(cell, pts))
        while waiting and (
            len(waiting) > MOST_AHEAD
            or (oldest := waiting[0][1]) is None
            or (dts is not None and dts >= oldest)
            or not packet.size
        ):
            oldest_packet, needed = _with_need(waiting.popleft(), clock, grid, first)
            yield oldest_packet, needed or near > 0
        if len(first) > 4 * MOST_AHEAD:
            del first[min(first)]
    while waiting:
        yield _with_need(waiting.popleft(), clock, grid, first)


def _with_need(
    waiting: tuple[Packet[VideoStream], int | None], clock: Clock, grid: Grid, first: dict[int, int]
) -> tuple[Packet[VideoStream], bool]:
    packet, pts = waiting
    if pts is None:
        return packet, True
    return packet, pts <= first.get(grid.cell(clock.milliseconds(pts)), pts)
