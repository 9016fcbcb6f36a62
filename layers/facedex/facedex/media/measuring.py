"""The extent of a recording: how long it is, where it ends, and where decoding can start."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from facedex.media.clocks import Clock, Jumps, demux
from facedex.media.display_order import corrected
from facedex.media.film_errors import FilmError
from facedex.media.ranges import Source
from facedex.media.recordings import REPEATED, last_start, next_program, next_start

LONGEST: Final = 6 * 3600 * 1000  # ms; Rekognition's limit
# A declared duration that differs by less is right: sound may end later than pictures.
TOLERANCE: Final = 1_000  # ms
# Bytes after the last picture that are not worth a remark: an index, sound, tags.
LONGEST_REST: Final = 64 * 1024
# Formats in which packets follow each other with only these many bytes between them.
GAPLESS: Final = frozenset({"matroska,webm", "flv", "ivf"})
LONGEST_HEADER: Final = 512  # bytes
SHORTEST_GAP: Final = 0.1  # seconds; shorter ones are due to rounding
REST_SHARE: Final = 10  # a tenth of the file


@dataclass(frozen=True, slots=True)
class Extent:
    """The extent of a recording.

    Attributes:
        duration: until the end of the last picture, ms.
        key_frames: times in ms, from the start of the recording, at which decoding can start; empty
            if they are unknown.
        end: position in the file after its last byte.
        last: position in the file after the last picture, or within it.
        steady: whether its clock runs without jumps, so that decoding can start in the middle.
        declared: the duration that the file declares, ms, which may include sound after the last
            picture; None if it declares none.
        unread: number of bytes between pictures that contain nothing readable.
        missing: seconds for which fragments are missing.
        failures: number of places at which reading failed.
    """

    duration: int
    key_frames: tuple[int, ...]
    end: int
    last: int
    steady: bool = True
    declared: int | None = None
    unread: int = 0
    missing: float = 0.0
    failures: int = 0

    @property
    def rest(self) -> int:
        """The share of the file after the last picture, in percent, if it is considerable."""
        rest = self.end - self.last
        return 100 * rest // self.end if rest > max(LONGEST_REST, self.end // REST_SHARE) else 0

    @property
    def ends_early(self) -> bool:
        """Whether the pictures end before the film that the file declares."""
        return self.declared is not None and self.declared > self.duration + TOLERANCE


def by_index(
    container: InputContainer, stream: VideoStream, clock: Clock, first: int | None, size: int
) -> Extent | None:
    """Return the extent by the index of an MP4 file, which lists every frame.

    A file may be shorter than its index; the frames that it contains count.

    Args:
        container, stream, clock: the recording.
        first: timestamp of the first key frame.
        size: of the file, in bytes.

    Returns:
        The extent, or None if the file has no index.
    """
    times: list[int] = []  # of key frames, in ticks
    begin = end = after = present = shown = 0
    for entry in stream.index_entries:  # millions; kept one at a time
        if entry.pos + entry.size > size:
            continue
        present, after = present + 1, max(after, entry.pos + entry.size)
        if entry.is_discard:  # outside the edit list
            continue
        begin, end = entry.timestamp if not shown else begin, entry.timestamp
        shown += 1
        if entry.is_keyframe:
            times.append(entry.timestamp)
    if not shown:
        return None
    # The index contains decoding times, but frames have display times. With most encoders, the
    # difference is the same for all key frames; otherwise, segments decode a little more.
    shift = first - stream.index_entries[0].timestamp if first is not None else 0
    start, last = clock.milliseconds(begin + shift), clock.milliseconds(end + shift)
    return Extent(
        last + _interval(start, last, shown),
        ascending(clock.milliseconds(time + shift) for time in times),
        size,
        after,
        declared=_declared(container) if present == len(stream.index_entries) else None,
    )


def by_reading(
    source: Source,
    container: InputContainer,
    stream: VideoStream,
    size: int,
    heartbeat: Callable[[int], None] | None,
) -> Extent:
    """Return the extent by reading a recording to its end, without decoding it.

    It ends where the file ends or another recording begins.

    Args:
        source: the file.
        container, stream: the recording in it, of which nothing has been read.
        size: of the file, in bytes.
        heartbeat: called at each key frame with its time in ms.

    Raises:
        FilmError: if the recording is longer than allowed.
    """
    name, declared, clock = container.format.name, _declared(container), Clock(container, stream)
    for other in container.streams:
        other.discard = av.stream.Discard.default  # their bytes are no holes
    jumps, shift, read = Jumps(container, stream), 0, _Read(container, stream)
    for packet in corrected(container, stream, demux(container, failed=read.fail)):
        read.cover(packet)
        time = packet.pts if packet.pts is not None else packet.dts
        if time is None or packet.stream_index != stream.index:
            continue
        if jumps.is_far(packet) and (
            start := _start_before(source, name, read.place, packet, size)
        ):
            return read.extent(start, steady=shift == 0)
        shift -= jumps.follow(packet)
        at = clock.milliseconds(time + shift)
        read.add(packet, at, clock.milliseconds(time + shift + (packet.duration or 0)))
        if read.end > LONGEST:
            raise too_long(read.end)
        if packet.is_keyframe and heartbeat:
            heartbeat(at)
    after = size
    if name == "mpegts":
        after = next_program(source, max(0, read.place - 1), size, stream.id) or size
    if after == size:
        after = next_start(source, max(1, read.place), size) or size
    whole = after == size and shift == 0
    steady = shift == 0 and _can_seek(container)
    return read.extent(after, steady=steady, declared=declared if whole else None)


class _Read:
    """The packets of a recording that have been read so far.

    Attributes:
        place: position in the file within the last picture.
        end: when the last picture ends, ms.
    """

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        name = container.format.name
        self._tick = float(stream.time_base or 0)
        self._gapless = name in GAPLESS
        self._timed = "mp4" in name
        self._key_frames: list[int] = []
        self._first = self._last = self._count = 0
        self._expected: int | None = None
        self._covered: int | None = None
        self._skipped = self._unread = 0
        self._missing = 0.0
        self._failures = 0
        self.place = self.end = 0

    def fail(self) -> None:
        """Note that reading failed because of damage."""
        self._failures += 1

    def cover(self, packet: Packet[Any]) -> None:
        """Note the bytes of a packet of any track, and those before it that none contains."""
        if not self._gapless or not packet.size or packet.pos is None or packet.pos < 0:
            return
        if self._covered is not None and packet.pos > self._covered + LONGEST_HEADER:
            self._skipped += packet.pos - self._covered
        self._covered = max(self._covered or 0, packet.pos + packet.size)

    def add(self, packet: Packet[VideoStream], at: int, until: int) -> None:
        """Note a packet of the film, shown from ``at`` until ``until``, ms."""
        # Not before: a packet of sound may be the first of another recording.
        self._unread, self._skipped = self._unread + self._skipped, 0
        self._first = min(self._first, at) if self._count else at
        self._last, self._count = max(self._last, at), self._count + 1
        self.end = max(self.end, until)
        self.place = max(self.place, (packet.pos or 0) + 1)
        if packet.is_keyframe:
            self._key_frames.append(at)
        if self._timed and packet.dts is not None:
            # Each frame of an MP4 has an exact duration, also one that is shown for minutes.
            if self._expected is not None and packet.dts > self._expected:
                gap = (packet.dts - self._expected) * self._tick
                self._missing += gap if gap > SHORTEST_GAP else 0
            self._expected = packet.dts + (packet.duration or 0)

    def extent(self, end: int, *, steady: bool, declared: int | None = None) -> Extent:
        """Return the extent of the recording, which ends at a position of the file."""
        return Extent(
            max(self.end, self._last + _interval(self._first, self._last, self._count)),
            ascending(self._key_frames),
            end,
            self.place,
            steady,
            declared,
            self._unread,
            self._missing,
            self._failures,
        )


def too_long(duration: int) -> FilmError:
    """Return the error for a film that is longer than allowed, in ms."""
    return FilmError(f"The video is {duration / 3_600_000:.1f} hours long; at most 6 are analysed.")


def ascending(moments: Iterable[int]) -> tuple[int, ...]:
    """Return times in order, each once; a time before the start counts as the start."""
    return tuple(sorted({max(0, moment) for moment in moments}))


def _can_seek(container: InputContainer) -> bool:
    try:
        container.seek(container.start_time or 0)
    except av.error.FFmpegError:
        return False
    return True


def _interval(first: int, last: int, count: int) -> int:
    """Return the mean distance of frames, in ms: how long the last one is shown."""
    return max(1, (last - first) // (count - 1)) if count > 1 else 1


def _start_before(
    source: Source, container: str, place: int, packet: Packet[VideoStream], size: int
) -> int | None:
    """Return where the recording of a packet begins, if it is not that of the packets before."""
    position = packet.pos
    if position is None:
        return None
    if position < place:
        # A second fragmented MP4 counts its positions from its own beginning, and FFmpeg takes
        # them for positions in the whole file.
        return next_start(source, place, size) if "mp4" in container else None
    if container in REPEATED:
        return last_start(source, container, place, position)
    return next_start(source, place, position)


def _declared(container: InputContainer) -> int | None:
    """Return the duration that a file declares, in ms; None if it is FFmpeg's estimate."""
    if not container.duration or container.duration < 0:
        return None
    if container.format.name in REPEATED or container.format.name == "ivf":
        return None
    duration = container.duration // 1000
    if "matroska" in container.format.name:
        # In Matroska, this is the time of the end, on a clock that need not start at 0.
        duration -= max(0, container.start_time or 0) * 1000 // av.time_base
    return duration
