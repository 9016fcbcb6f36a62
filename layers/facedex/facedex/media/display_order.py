"""Display times of films whose files state only when a picture is decoded."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Any, Final

from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from facedex.media.clocks import usual_duration

# Formats in which the time of a packet is that of decoding. FFmpeg guesses the times of display.
_FORMATS: Final = frozenset({"avi", "asf"})
# Codecs for which it guesses wrongly. For others with B-frames, its guesses are a picture late.
_MISGUESSED: Final = frozenset({"h264", "hevc"})


def is_misguessed(container: InputContainer, stream: VideoStream) -> bool:
    """Return whether only a decoder knows in which order the pictures of a track are shown."""
    return container.format.name in _FORMATS and stream.codec_context.name in _MISGUESSED


def corrected(
    container: InputContainer, stream: VideoStream, packets: Iterator[Packet[Any]]
) -> Iterator[Packet[Any]]:
    """Yield packets, with guessed times of display corrected.

    The film's time begins with its first packet, which is that of its first picture. If only a
    decoder knows the order, packets are given their times of decoding: see ``DisplayOrder``.
    """
    if container.format.name not in _FORMATS:
        yield from packets
        return
    misguessed, late = is_misguessed(container, stream), stream.codec_context.has_b_frames
    following: int | None = None
    for packet in packets:
        if packet.stream_index == stream.index and packet.size:
            duration = packet.duration or usual_duration(stream)
            if misguessed:
                if packet.dts is None:  # FFmpeg does not derive all of them after a seek
                    packet.dts = following
                packet.pts = packet.dts
            elif late and packet.pts is not None:
                packet.pts -= duration
            following = None if packet.dts is None else packet.dts + duration
        yield packet


class DisplayOrder:
    """The times of decoded pictures: those of their packets, in ascending order.

    They are right from the beginning of a film, and from a key frame after which no picture is
    shown that comes before it. After any other key frame, they are early by the lost pictures.
    """

    def __init__(self) -> None:
        """Begin before a key frame."""
        self._times: list[int] = []  # a heap, of packets whose pictures were not shown yet

    def enter(self, packet: Packet[VideoStream]) -> None:
        """Note a ``corrected`` packet before it is decoded."""
        if packet.size and packet.dts is not None:
            heapq.heappush(self._times, packet.dts)

    def time(self, frame: VideoFrame) -> int | None:
        """Return the timestamp of the next picture that the decoder returns."""
        times, decoded = self._times, frame.pts
        # A key frame is not shown before it is decoded. Earlier times are those of lost pictures.
        while frame.key_frame and decoded is not None and times and times[0] < decoded:
            heapq.heappop(times)
        return heapq.heappop(times) if times else decoded
