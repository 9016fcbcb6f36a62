"""Conversion between the time of a film and the timestamps of its track."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, Final

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

# Formats whose clock is arbitrary. A gap in it is as likely another recording as a pause, and
# players continue at once. FFmpeg's own program uses the same limit.
RESTARTING: Final = frozenset({"mpegts", "mpeg"})
LONGEST_GAP: Final = 10  # seconds
# Decoding times never decrease; damaged ones may by a little, which costs no analysed frame.
LARGEST_STEP_BACK: Final = Fraction(1, 10)  # seconds
MOST_FAILURES: Final = 20  # in a row, until reading ends
USUAL_FRAME: Final = Fraction(1, 25)  # seconds


class Clock:
    """Conversion between the film's time in milliseconds and a track's time in ticks.

    As in players, the film's time begins with its earliest track.
    """

    def __init__(self, container: InputContainer, stream: VideoStream, *, start: int = 0) -> None:
        """Create a clock.

        Args:
            container: the opened file.
            stream: the track.
            start: the film's time, in ms, at which the recording in this file begins.
        """
        tick = stream.time_base or Fraction(1, 1000)  # seconds
        begin = Fraction(container.start_time or 0, av.time_base)
        if begin < 0:  # only sound may start before 0 without being played; pictures are shown
            begin = min(Fraction(0), (stream.start_time or 0) * tick)
        begin -= Fraction(start, 1000)
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


class Jumps:
    """Detection of places where the clock of a track goes back or leaps, in decoding order."""

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        """Begin before the first packet of a track."""
        tick = stream.time_base or Fraction(1, 1000)
        self._gap = math.ceil(LONGEST_GAP / tick)
        self._back = math.ceil(LARGEST_STEP_BACK / tick)
        self._frame = max(1, round(USUAL_FRAME / tick))
        self._leaps = container.format.name in RESTARTING
        self._last: int | None = None
        self._expected = 0

    def follow(self, packet: Packet[VideoStream]) -> int:
        """Return by how many ticks the clock has jumped before this packet, 0 if it has not."""
        time = packet.dts  # None at the start of some files, before FFmpeg can derive it
        if time is None:
            return 0
        last, jump = self._last, time - self._expected
        jumped = last is not None and (
            time < last - self._back or (self._leaps and jump > self._gap)
        )
        self._last = time if last is None or jumped else max(last, time)
        self._expected = time + (packet.duration or self._frame)
        return jump if jumped else 0

    def is_far(self, packet: Packet[VideoStream]) -> bool:
        """Return whether the next packet begins long after the last, or before it."""
        time = packet.dts
        return (
            time is not None
            and self._last is not None
            and not self._last - self._back <= time <= self._expected + self._gap
        )


def demux(
    container: InputContainer,
    *streams: VideoStream,
    failed: Callable[[], None] | None = None,
) -> Iterator[Packet[Any]]:
    """Yield the packets of tracks, or of all, in decoding order; empty ones may be the last.

    Like a player, it continues after damage, or ends where nothing more can be read.

    Args:
        container: the file.
        streams: the tracks; none for all.
        failed: called when reading fails because of damage.
    """
    failures = 0  # in a row
    while failures < MOST_FAILURES:
        try:
            for packet in container.demux(*streams):
                yield packet
                failures = 0
        except IndexError:  # PyAV's, when a track has appeared since the file was opened
            return
        except av.error.FFmpegError:
            failures += 1
            if failed:
                failed()
        else:
            return


def mended(packets: Iterator[Packet[VideoStream]], jumps: Jumps) -> Iterator[Packet[VideoStream]]:
    """Yield packets with timestamps that continue where the clock went back or leapt."""
    shift = 0
    for packet in packets:
        shift -= jumps.follow(packet)
        if shift:
            if packet.pts is not None:
                packet.pts += shift
            if packet.dts is not None:
                packet.dts += shift
        yield packet


def without_repetitions(packets: Iterator[Packet[VideoStream]]) -> Iterator[Packet[VideoStream]]:
    """Yield packets of an MPEG stream, without times that belong to the next picture.

    FFmpeg states the time of a picture also for one that ends where the picture begins.
    """
    before: Packet[VideoStream] | None = None
    for packet in packets:
        if before is not None:
            if before.pts is not None and before.pts == packet.pts:
                before.pts = before.dts = None
            yield before
        before = packet
    if before is not None:
        yield before


def usual_duration(stream: VideoStream) -> int:
    """Return how long a picture of a track is shown, in ticks."""
    rate = stream.guessed_rate or stream.average_rate or 1 / USUAL_FRAME
    return max(1, round(1 / (rate * (stream.time_base or Fraction(1, 1000)))))
